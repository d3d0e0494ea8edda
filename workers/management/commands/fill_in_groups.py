"""`manage.py fill_in_groups [--run N]`: the rows of groups for runs that were recorded before there were any, or with
less in them."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from rpt_core.words import counted
from rpt_web.runs.models import Run
from workers.old_groups import fill_in, runs_to_fill


class Command(BaseCommand):
    """Fills in run by run; what is there already stays."""

    help = "Sum up the responses of older runs by group, for the lists of traces. Safe to stop and to run again."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """[--run N]."""
        parser.add_argument("--run", type=int, help="of this run alone (default: of all that lack some)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Fill in, and say of each run what came of it."""
        runs = runs_to_fill()
        if options["run"] is not None:
            runs = Run.objects.filter(pk=options["run"])
            if not runs.exists():
                raise CommandError(f"There is no run {options['run']}. The list of runs shows them.")
        total = runs.count()
        for number, run in enumerate(runs.order_by("id").iterator(), start=1):
            found = fill_in(run, self.stderr.write)
            lost = f", {counted(found.unplaced, 'group')} without a position" if found.unplaced else ""
            unread = f", {counted(found.unread, 'shard')} unreadable" if found.unread else ""
            self.stdout.write(
                f"{number} of {total}: run {run.pk}, {run.name}: {counted(found.groups, 'group')}{lost}{unread}."
            )
        if not total:
            self.stdout.write("All runs have their groups.")
