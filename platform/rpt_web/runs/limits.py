"""How many runs may run at once: the limits of the server and of the teams, and whether one keeps a run waiting.

In: queued runs. Out: why a run has to wait, in words, or that it may start. A claim asks while it holds the lock of all
claims, so that two workers never take the last place together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q, QuerySet

from rpt_core.errors import UserError
from rpt_core.words import counted
from rpt_web.runs import waking
from rpt_web.runs.models import DEFAULT_QUEUE, GPU_QUEUE, Run, RunLimit, Status
from rpt_web.teams.models import Team

QUEUES = (DEFAULT_QUEUE, GPU_QUEUE)
LARGEST = 100_000
Running = Counter[tuple[int, str, int | None]]
"""(team, queue, who has submitted it) -> how many of them run."""


@dataclass(frozen=True)
class Room:
    """The limits, and what is running now."""

    limits: Sequence[RunLimit]
    running: Running

    @classmethod
    def now(cls) -> Room:
        """As it is (1 query; 2 where there are limits)."""
        limits = list(RunLimit.objects.order_by("id"))
        return cls(limits, _running() if limits else Counter())

    def why_full(self, run: Run) -> str:
        """The limit that keeps a run, with its experiment and its owner, from starting; empty when none does."""
        return next((words for limit in self.limits if (words := self._why(limit, run))), "")

    def _why(self, limit: RunLimit, run: Run) -> str:
        if not _is_about(limit, run.experiment.team_id, run.queue):
            return ""
        if limit.each_person and run.created_by_id is None:
            return ""
        count = sum(
            number
            for (team, queue, person), number in self.running.items()
            if _is_about(limit, team, queue) and (not limit.each_person or person == run.created_by_id)
        )
        if count < limit.most:
            return ""
        where = f" in the queue {limit.queue}" if limit.queue else ""
        if limit.each_person:
            return f"{run.created_by} already has {count} running{where}, the limit"
        whose = "the server" if limit.team_id is None else "the team"
        return f"{whose} already has {count} running{where}, the limit"


def of_server() -> QuerySet[RunLimit]:
    """The limits that are about all teams."""
    return RunLimit.objects.filter(team=None)


def of_team(team: Team) -> QuerySet[RunLimit]:
    """A team's own."""
    return RunLimit.objects.filter(team=team)


def about(teams: Sequence[Team]) -> list[RunLimit]:
    """The limits of the server, then those of these teams (1 query)."""
    found = RunLimit.objects.filter(Q(team=None) | Q(team__in=teams))
    return list(found.order_by(F("team").asc(nulls_first=True), "id"))


def set_limit(team: Team | None, queue: str, each_person: bool, most: int | None) -> None:
    """Make, change or (None) remove the limit of a team, or of the server. Raises UserError for what cannot be one."""
    if queue not in ("", *QUEUES):
        raise UserError(f"There is no queue {queue!r}. The queues are: {', '.join(QUEUES)}; empty means both together.")
    if most is not None and not 1 <= most <= LARGEST:
        raise UserError(f"Give 1 to {LARGEST:,} runs, or nothing for no limit.")
    about: dict[str, Any] = {"team": team, "queue": queue, "each_person": each_person}
    if most is None:
        RunLimit.objects.filter(**about).delete()
    else:
        RunLimit.objects.update_or_create(**about, defaults={"most": most})
    waking.wake_held(always=True)


def in_words(limit: RunLimit) -> str:
    """For people."""
    who = " of each person" if limit.each_person else ""
    where = f" in the queue {limit.queue}" if limit.queue else ""
    return f"At most {counted(limit.most, 'run')}{who} at once{where}"


def _is_about(limit: RunLimit, team: int, queue: str) -> bool:
    return limit.team_id in (None, team) and limit.queue in ("", queue)


def _running() -> Running:
    rows = Run.objects.filter(status=Status.RUNNING).order_by()
    return Counter(rows.values_list(F("experiment__team"), "queue", "created_by"))
