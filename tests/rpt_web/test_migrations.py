"""The tables are what the models say, the hand-made partitioned one too."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection, models
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from rpt_web.traces.models import Rollout

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


def migrated(name):
    """The models of the app `runs` as they are after one of its migrations, with the database brought there."""
    executor = MigrationExecutor(connection)
    executor.migrate([("runs", name)])
    return MigrationExecutor(connection).loader.project_state([("runs", name)]).apps


@pytest.mark.django_db(transaction=True)
def test_times_are_filled_in_only_where_they_are_known():
    """Old rows have the times of their newest attempt alone."""
    now = timezone.now()
    once = {"attempt": 1, "started_at": now - timedelta(seconds=90)}
    ended = {"status": "failed", "finished_at": now, "worker": "node:1"}
    rows = {
        "never started": {"status": "cancelled", "finished_at": now},
        "ended": once | ended,
        "running": once | {"status": "running", "worker": "node:1"},
        "queued again": once | {"status": "queued"},
        "queued again, then cancelled": once | ended | {"worker": ""},
        "a second attempt": once | ended | {"attempt": 2},
        "a second attempt runs": once | {"attempt": 2, "status": "running", "worker": "node:1"},
    }
    try:
        apps = migrated("0003_nodes")
        experiment = apps.get_model("runs", "Experiment").objects.create(name="old")
        old = apps.get_model("runs", "Run").objects
        for name, values in rows.items():
            old.create(experiment=experiment, name=name, stage="rpt", config={}, code_version="0", **values)
        runs = migrated("0004_time_spent").get_model("runs", "Run").objects
        assert dict(runs.values_list("name", "time_spent")) == {
            "never started": timedelta(0),
            "ended": timedelta(seconds=90),
            "running": timedelta(0),
            "queued again": None,
            "queued again, then cancelled": None,
            "a second attempt": None,
            "a second attempt runs": None,
        }
    finally:
        call_command("migrate", verbosity=0)


@pytest.mark.django_db(transaction=True)
def test_runs_from_before_gpus_were_leased_ask_for_those_that_they_had():
    rows = {
        "queued": ("queued", {"model": {"device": "auto"}}, 1),
        "failed": ("failed", {"engine": "verl", "verl": {"gpus_per_node": 4}}, 4),
        "on the processor": ("queued", {"model": {"device": "cpu"}}, 0),
        "waiting": ("waiting", {}, 0),
        "succeeded": ("succeeded", {"model": {"device": "auto"}}, 0),
    }
    try:
        apps = migrated("0018_own_plans")
        team = apps.get_model("teams", "Team").objects.create(name="old")
        experiment = apps.get_model("runs", "Experiment").objects.create(name="old", team=team)
        old = apps.get_model("runs", "Run").objects
        for name, (status, config, _) in rows.items():
            old.create(experiment=experiment, name=name, stage="rpt", config=config, code_version="0", status=status)
        runs = migrated("0019_gpus_of_older_runs").get_model("runs", "Run").objects
        found = dict(runs.filter(experiment=experiment.pk).values_list("name", "gpus"))
        assert found == {name: gpus for name, (_, _, gpus) in rows.items()}
    finally:
        call_command("migrate", verbosity=0)
