"""The tables are what the models say, the hand-made partitioned one too."""

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
from rpt_web.traces.models import Rollout
from tests.emptying import empty
from tests.rpt_web.markup import flat

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


def migrated(name):
    """The models of the app `runs` as they are after one of its migrations, with the database brought there."""
    MigrationExecutor(connection).migrate([("runs", name)])
    return MigrationExecutor(connection).loader.project_state([("runs", name)]).apps


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


@pytest.fixture(scope="module")
def journey(django_db_setup, django_db_blocker):
    """A database is made again, from its early days to this day; on the way, runs of each time are added.

    One journey for all tests here, since it takes half a minute: what is found of the runs, by the values looked at.
    """
    found = {}
    with django_db_blocker.unblock():
        with connection.cursor() as cursor:
            cursor.execute("SELECT sequencename, last_value FROM pg_sequences WHERE last_value IS NOT NULL")
            given_out = cursor.fetchall()
            cursor.execute("DROP SCHEMA public CASCADE")
            cursor.execute("CREATE SCHEMA public")
        try:
            apps = migrated("0003_nodes")
            add_runs(
                apps,
                apps.get_model("runs", "Experiment").objects.create(name="timed"),
                {name: given for name, (given, _) in TIMES.items()},
            )
            runs = migrated("0004_time_spent").get_model("runs", "Run").objects
            found["time_spent"] = dict(runs.values_list("name", "time_spent"))

            apps = migrated("0006_who_did_it")
            add_runs(apps, apps.get_model("runs", "Experiment").objects.create(name="coded"), {"coded": OF_ONE_CODE})

            apps = migrated("0018_own_plans")
            team = apps.get_model("teams", "Team").objects.create(name="old")
            experiment = apps.get_model("runs", "Experiment").objects.create(name="old", team=team)
            given = {name: {"status": status, "config": config} for name, (status, config, _) in GPUS.items()}
            add_runs(apps, experiment, given)
            runs = migrated("0019_gpus_of_older_runs").get_model("runs", "Run").objects
            found["gpus"] = dict(runs.filter(experiment=experiment.pk).values_list("name", "gpus"))
        finally:
            call_command("migrate", verbosity=0)
            continue_after(given_out)
        yield found
        empty()


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
    ours = [
        migration
        for migration in MigrationLoader(None).disk_migrations.values()
        if migration.__module__.startswith("rpt_web.")
    ]
    assert len(ours) > 60
    assert [str(migration) for migration in ours if not all(step.reversible for step in migration.operations)] == []


@pytest.mark.django_db(transaction=True)
def test_the_mode_of_a_comparison_becomes_that_of_each_of_its_entries():
    def rows(name):
        executor = MigrationExecutor(connection)
        executor.migrate([("compare", name)])
        apps = MigrationExecutor(connection).loader.project_state([("compare", name)]).apps
        return apps.get_model("compare", "PositionComparison").objects

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
