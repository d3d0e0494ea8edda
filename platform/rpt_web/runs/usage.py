"""What a team takes on the disk, and may take: runs by the size that was measured when they had ended, uploaded files
with what is still to come of them, checked corpora by the documents that the check has stored.

In: teams. Out: sums of stored numbers, which pages may ask for at any time; UserError for more than a quota allows.
Registered models count with the run that has made them; folders outside of the platform's own are nobody's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import F, Q, QuerySet, Sum

from rpt_core.errors import UserError
from rpt_web.numbers import size
from rpt_web.runs.models import FINAL, Run
from rpt_web.teams.models import Team

_PARTS = {
    "runs": "experiments__runs__disk_bytes",
    "uploads": "corpora__versions__uploads__length",
    "documents": "corpora__versions__stored_bytes",
}
LARGEST_QUOTA = 10**18


class OverQuota(UserError):
    """The team has no room for it."""


@dataclass(frozen=True)
class Usage:
    """Bytes of one team."""

    runs: int
    corpora: int
    quota: int | None

    @property
    def total(self) -> int:
        """All of it."""
        return self.runs + self.corpora

    @property
    def is_over(self) -> bool:
        """Whether nothing may be added any more."""
        return self.quota is not None and self.total >= self.quota


def of_teams(teams: Sequence[Team]) -> dict[int, Usage]:
    """The usage of each team by its id (3 queries)."""
    rows = Team.objects.filter(pk__in=[team.pk for team in teams])
    sums = {name: dict(rows.values_list("pk").annotate(Sum(path))) for name, path in _PARTS.items()}
    found = {}
    for team in teams:
        runs, uploads, documents = (sums[name].get(team.pk) or 0 for name in _PARTS)
        found[team.pk] = Usage(runs, uploads + documents, team.quota_bytes)
    return found


def of_team(team: Team) -> Usage:
    """The usage of one team (3 queries)."""
    return of_teams([team])[team.pk]


def refuse_over_quota(team_id: int, coming: int = 0) -> None:
    """Raises OverQuota when a team has used up its quota, or would by so many bytes more."""
    team = Team.objects.get(pk=team_id)
    if team.quota_bytes is None:
        return
    usage = of_team(team)
    if usage.total + max(coming, 1) <= team.quota_bytes:
        return
    more = f", and this has {size(coming)}" if coming else ""
    raise OverQuota(
        f"The team “{team}” uses {size(usage.total)} of the {size(team.quota_bytes)} that it may take on the disk"
        f"{more}. Delete corpora or old checkpoints that nobody needs (the team's page, Disk, lists them), or ask a "
        "server administrator for a larger quota."
    )


def set_quota(team: Team, quota: int | None) -> None:
    """What a team may take from now on; None for no limit. Raises UserError for what is no size."""
    if quota is not None and not 0 < quota <= LARGEST_QUOTA:
        raise UserError("A quota is more than nothing and at most a billion GB. Leave it empty for no limit.")
    team.quota_bytes = quota
    team.save(update_fields=["quota_bytes"])


def unmeasured() -> QuerySet[Run]:
    """Runs that have ended since their folders were measured, or never were."""
    return Run.objects.filter(~Q(measured_attempt=F("attempt")) | Q(measured_attempt=None), status__in=FINAL)


def note(run: Run, found: int) -> None:
    """What a run's folder takes after its newest attempt."""
    Run.objects.filter(pk=run.pk, attempt=run.attempt).update(disk_bytes=found, measured_attempt=run.attempt)
