"""The tables are what the models say, the hand-made partitioned one too, and the same whichever way they came."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection, models
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.urls import reverse
from django.utils import timezone

from rpt_web.runs import attempts
from rpt_web.runs.models import Run
from rpt_web.teams.audit import STOOD
from rpt_web.traces.models import Rollout
from tests.emptying import empty
from tests.rpt_web.markup import flat
from tests.rpt_web.schema_in_words import schema_in_words

pytestmark = pytest.mark.django_db


def test_no_model_has_changed_without_a_migration():
    call_command("makemigrations", "--check", "--dry-run", "--skip-checks", verbosity=0)


def test_the_rollout_table_has_exactly_the_columns_of_the_model():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name, is_nullable = 'YES', format_type(atttypid, atttypmod) FROM information_schema.columns "
            "JOIN pg_attribute ON attrelid = 'traces_rollout'::regclass AND attname = column_name "
            "WHERE table_name = 'traces_rollout'"
        )
        found = {(name, null, type_.replace("character varying", "varchar")) for name, null, type_ in cursor.fetchall()}
    fields = [field for field in Rollout._meta.local_fields if not isinstance(field, models.CompositePrimaryKey)]
    assert found == {(field.column, field.null, field.db_type(connection)) for field in fields}


NOW = timezone.now()
ONCE = {"attempt": 1, "started_at": NOW - timedelta(seconds=90)}
ENDED = {"status": "failed", "finished_at": NOW, "worker": "node:1"}
TIMES = {
    "never started": ({"status": "cancelled", "finished_at": NOW}, timedelta(0)),
    "ended": (ONCE | ENDED, timedelta(seconds=90)),
    "running": (ONCE | {"status": "running", "worker": "node:1"}, timedelta(0)),
    "queued again": (ONCE | {"status": "queued"}, None),
    "queued again, then cancelled": (ONCE | ENDED | {"worker": ""}, None),
    "a second attempt": (ONCE | ENDED | {"attempt": 2}, None),
    "a second attempt runs": (ONCE | {"attempt": 2, "status": "running", "worker": "node:1"}, None),
}
"""Runs from before the time spent was kept: the values of a run, and what is known of its time."""
OF_ONE_CODE = {"attempt": 2, "status": "succeeded", "started_at": NOW, "code_version": "0.0.9+old"}
"""A run from before the code of each attempt was kept."""
GPUS = {
    "queued": ("queued", {"model": {"device": "auto"}}, 1),
    "failed": ("failed", {"engine": "verl", "verl": {"gpus_per_node": 4}}, 4),
    "on the processor": ("queued", {"model": {"device": "cpu"}}, 0),
    "waiting": ("waiting", {}, 0),
    "succeeded": ("succeeded", {"model": {"device": "auto"}}, 0),
}
"""Runs from before GPUs were leased: status and config of a run, and the GPUs that it asks for now."""


def through_the_old_ones():
    """An executor that does not take the squashed migration in place of those that it replaces."""
    executor = MigrationExecutor(connection)
    executor.loader.replace_migrations = False
    executor.loader.build_graph()
    for squashed in executor.loader.replacements:
        executor.loader.applied_migrations.pop(squashed, None)
    return executor


def migrated(app, name):
    """The models as they are after one of the old migrations of an app, with the database brought there."""
    through_the_old_ones().migrate([(app, name)])
    return through_the_old_ones().loader.project_state([(app, name)]).apps


def add_runs(apps, experiment, runs, **values):
    for name, own in runs.items():
        run = {"stage": "rpt", "config": {}, "code_version": "0"} | values | own
        apps.get_model("runs", "Run").objects.create(experiment=experiment, name=name, **run)


def continue_after(given_out):
    """No run gets the number, and the folder, of one that was there before."""
    with connection.cursor() as cursor:
        for name, value in given_out:
            cursor.execute(
                "SELECT setval(sequencename::text::regclass, greatest(%s, last_value)) FROM pg_sequences"
                " WHERE sequencename = %s",
                [value, name],
            )


def from_nothing(cursor):
    cursor.execute("DROP SCHEMA public CASCADE")
    cursor.execute("CREATE SCHEMA public")


FIRST_TEAM = """
SELECT team.name, pgh_label, pgh_context FROM teams_team AS team JOIN teams_teamchange ON pgh_obj_id = team.id
WHERE team.name = 'Team'
"""
TRANSACTIONS = """
SELECT count(DISTINCT xmin::text) FROM (
    SELECT xmin FROM teams_team
    UNION ALL SELECT xmin FROM django_migrations WHERE app = 'runs' AND name <> '0023_after_squashed'
) AS rows
"""
"""In how many the squashed migration made tables and wrote down that it is done."""


def described(cursor):
    """The schema, the first team with what the audit trail says of it, and the migrations that are missing."""
    schema = schema_in_words(cursor)
    cursor.execute(FIRST_TEAM)
    executor = MigrationExecutor(connection)
    return schema, cursor.fetchall(), executor.migration_plan(executor.loader.graph.leaf_nodes())


@pytest.fixture(scope="module")
def journey(django_db_setup, django_db_blocker):
    """A database is made as a new one, and made again, from its early days to this day, with runs of each time.

    One journey for all tests here, since it takes half a minute: what is found of the runs, by the values looked at,
    and how the database is described at each end.
    """
    found = {}
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("SELECT sequencename, last_value FROM pg_sequences WHERE last_value IS NOT NULL")
        given_out = cursor.fetchall()
        try:
            from_nothing(cursor)
            call_command("migrate", verbosity=0)
            found["new"] = described(cursor)
            cursor.execute(TRANSACTIONS)
            found["transactions"] = cursor.fetchone()[0]

            from_nothing(cursor)
            apps = migrated("runs", "0003_nodes")
            add_runs(
                apps,
                apps.get_model("runs", "Experiment").objects.create(name="timed"),
                {name: given for name, (given, _) in TIMES.items()},
            )
            runs = migrated("runs", "0004_time_spent").get_model("runs", "Run").objects
            found["time_spent"] = dict(runs.values_list("name", "time_spent"))

            apps = migrated("runs", "0006_who_did_it")
            add_runs(apps, apps.get_model("runs", "Experiment").objects.create(name="coded"), {"coded": OF_ONE_CODE})

            apps = migrated("runs", "0018_own_plans")
            team = apps.get_model("teams", "Team").objects.create(name="old")
            experiment = apps.get_model("runs", "Experiment").objects.create(name="old", team=team)
            given = {name: {"status": status, "config": config} for name, (status, config, _) in GPUS.items()}
            add_runs(apps, experiment, given)
            runs = migrated("runs", "0019_gpus_of_older_runs").get_model("runs", "Run").objects
            found["gpus"] = dict(runs.filter(experiment=experiment.pk).values_list("name", "gpus"))
        finally:
            call_command("migrate", verbosity=0)
            continue_after(given_out)
        found["old"] = described(cursor)
        yield found
        empty()


def test_a_new_database_is_like_one_that_came_through_all_migrations(journey):
    """In every name, and in which migrations it has."""
    (new, new_team, new_plan), (old, old_team, old_plan) = journey["new"], journey["old"]
    assert new_plan == old_plan == []
    assert new_team == old_team == [("Team", STOOD, None)]
    for kind, lines in new.items():
        assert lines == old[kind], kind
    assert "supervisor | 0001_squashed" in new["migrations"]
    assert len(new["triggers"]) > 90


def test_a_new_database_has_all_its_tables_or_none(journey):
    assert journey["transactions"] == 1


def test_times_are_filled_in_only_where_they_are_known(journey):
    """Old rows have the times of their newest attempt alone."""
    assert journey["time_spent"] == {name: known for name, (_, known) in TIMES.items()}


def test_of_old_rows_only_the_code_of_the_submit_is_known(journey, client, django_user_model):
    """And the page says so."""
    run = Run.objects.get(name="coded")
    assert attempts.attempts_of(run) == []
    assert attempts.newest_code(run) == "0.0.9+old"
    client.force_login(django_user_model.objects.create_superuser("root"))
    page = flat(client.get(reverse("runs:run_detail", args=[run.pk])))
    assert 'title="Version of the code that submitted it; that of its attempts was not kept"' in page
    assert "0.0.9+old" in page


def test_runs_from_before_gpus_were_leased_ask_for_those_that_they_had(journey):
    assert journey["gpus"] == {name: gpus for name, (_, _, gpus) in GPUS.items()}


def test_every_migration_says_how_it_is_undone():
    """But the squashed one, which would leave nothing."""
    ours = [
        migration
        for migration in MigrationLoader(None).disk_migrations.values()
        if migration.__module__.startswith("rpt_web.")
    ]
    assert len(ours) > 60
    for_good = [str(migration) for migration in ours if not all(step.reversible for step in migration.operations)]
    assert for_good == ["supervisor.0001_squashed"]


@pytest.mark.django_db(transaction=True)
def test_the_mode_of_a_comparison_becomes_that_of_each_of_its_entries():
    def rows(name):
        return migrated("compare", name).get_model("compare", "PositionComparison").objects

    try:
        for mode, entries in (("sampled", [[7, 1], [3, 40], [7, 2]]), ("standard", [[1, 0], [2, 0]])):
            rows("0003_engine_config").create(key=mode, mode=mode, entries=entries, runs=[1])
        after = dict(rows("0004_modes_of_entries").values_list("key", "entries"))
        assert after["sampled"] == [[7, 1, "sampled"], [3, 40, "sampled"], [7, 2, "sampled"]]
        assert after["standard"] == [[1, 0, "standard"], [2, 0, "standard"]]
        back = rows("0003_engine_config").order_by("key").values_list("mode", "entries")
        assert list(back) == [("sampled", [[7, 1], [3, 40], [7, 2]]), ("standard", [[1, 0], [2, 0]])]
    finally:
        call_command("migrate", verbosity=0)
