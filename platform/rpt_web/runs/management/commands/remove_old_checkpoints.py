"""`manage.py remove_old_checkpoints [--team NAME] [--no-dry-run]`: what teams' rules would remove, or do."""

from __future__ import annotations

from argparse import BooleanOptionalAction
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Count, Sum

from rpt_core.words import counted
from rpt_web.numbers import size
from rpt_web.runs import retention
from rpt_web.teams.models import Team


class Command(BaseCommand):
    """Acts by the rule of each team that has one."""

    help = "List the old checkpoints that the rules of teams would remove; with --no-dry-run, remove them."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """[--team NAME] [--no-dry-run]."""
        parser.add_argument("--team", help="of this team alone (default: of all that have a rule)")
        parser.add_argument(
            "--dry-run", action=BooleanOptionalAction, default=True, help="only list them (default: yes)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """List or remove."""
        for team in _teams(options["team"]):
            rows = retention.removable(team).order_by("run")
            runs = rows.values_list("run", "run__name", "run__experiment__name").annotate(Count("id"), Sum("bytes"))
            for run, name, experiment, number, total in runs:
                self.stdout.write(
                    f"{team}: run {run}, {name} of {experiment}: {counted(number, 'checkpoint')}, {size(total)}"
                )
            if options["dry_run"]:
                total = sum(found[-1] for found in runs)
                self.stdout.write(f"{team}: {size(total)} would be free. Add --no-dry-run to remove this.")
            else:
                self.stdout.write(f"{team}: {size(retention.remove_now(team, None))} are free again.")


def _teams(name: str | None) -> list[Team]:
    with_rule = Team.objects.exclude(keep_checkpoints_days=None)
    found = list(with_rule if name is None else with_rule.filter(name=name))
    if name is not None and not found:
        raise CommandError(
            f"There is no team {name!r} with a rule for old checkpoints. Set one on the team's page, under Disk."
        )
    return found
