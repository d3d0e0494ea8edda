"""`manage.py set_quota TEAM GB`: what the runs and corpora of a team may take on the disk; `none` for no limit."""

from __future__ import annotations

import math
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from rpt_core.errors import UserError
from rpt_web.numbers import size
from rpt_web.runs import usage
from rpt_web.teams.models import Team


class Command(BaseCommand):
    """Sets the quota of a team."""

    help = "Set what the runs and corpora of a team may take on the disk."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """TEAM GB."""
        parser.add_argument("team", help="name of the team")
        parser.add_argument("gb", help="gigabytes, or none for no limit")

    def handle(self, *args: Any, **options: Any) -> None:
        """Set it, and say what is used."""
        team = Team.objects.filter(name=options["team"]).first()
        if team is None:
            names = ", ".join(Team.objects.values_list("name", flat=True)[:20]) or "none yet"
            raise CommandError(f"There is no team {options['team']!r}. The teams are: {names}.")
        try:
            usage.set_quota(team, _bytes(options["gb"]))
        except UserError as error:
            raise CommandError(str(error)) from None
        limit = "no limit" if team.quota_bytes is None else f"a quota of {size(team.quota_bytes)}"
        self.stdout.write(f"{team} has {limit}, and uses {size(usage.of_team(team).total)}.")


def _bytes(gb: str) -> int | None:
    if gb == "none":
        return None
    try:
        found = float(gb)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise CommandError(f"{gb!r} is no number of gigabytes. Give one, such as 500, or none.")
    return round(found * 1e9)
