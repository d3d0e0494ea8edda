"""The schema tells how far it is while it is made, and nothing where there is nothing to do."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from rpt_web.supervisor import schema


def test_steps_are_told_every_few_seconds():
    said, now = [], [0.0]
    command = schema.ToldMigrate(7, said.append, clock=lambda: now[0])
    command.verbosity = 0
    for _ in range(7):
        command.migration_progress_callback("apply_start")
        now[0] += 2
        command.migration_progress_callback("apply_success")
    assert said == ["database schema: 2 of 7 steps", "database schema: 4 of 7 steps", "database schema: 6 of 7 steps"]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_what_is_missing_is_said_and_made_and_nothing_is_said_twice():
    MigrationExecutor(connection).migrate([("searches", None)])  # what came after the squashed migration
    said = []
    try:
        schema.bring_up_to_date(said.append)
        assert said[0] == "database schema: brought up to date (1 step)"
        assert ("searches", "0003_after_squashed") in MigrationExecutor(connection).loader.applied_migrations
        said.clear()
        schema.bring_up_to_date(said.append)
        assert said == []
    finally:
        call_command("migrate", verbosity=0)
