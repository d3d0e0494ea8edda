"""The database's schema, made or brought up to date, with word of how far it is, since an upgrade may take a while.

In: what says a line. Out: a database with all migrations.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.core.management import call_command
from django.core.management.commands.migrate import Command as Migrate
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from rpt_core.words import counted

TOLD_EVERY_SECONDS = 3.0


class ToldMigrate(Migrate):
    """Django's own command, which tells how many of its steps are done."""

    def __init__(
        self, steps: int, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic, **more: Any
    ) -> None:
        super().__init__(**more)
        self._steps, self._say, self._clock = steps, say, clock
        self._done, self._told_at = 0, clock()

    def migration_progress_callback(self, action: str, migration: Any = None, fake: bool = False) -> None:
        """Count a step that is done."""
        super().migration_progress_callback(action, migration, fake)
        self._done += action == "apply_success"
        if action == "apply_success" and self._clock() - self._told_at >= TOLD_EVERY_SECONDS:
            self._told_at = self._clock()
            self._say(f"database schema: {self._done} of {self._steps} steps")


def bring_up_to_date(say: Callable[[str], None]) -> None:
    """Apply what is missing; nothing is said where nothing is. Checks the project, too."""
    executor = MigrationExecutor(connection)
    steps = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if steps:
        is_first = not executor.loader.applied_migrations
        words = "made for the first time" if is_first else "brought up to date"
        say(f"database schema: {words} ({counted(steps, 'step')})")
    call_command(ToldMigrate(steps, say), interactive=False, verbosity=0, skip_checks=False)
