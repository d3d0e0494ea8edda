"""What of the platform an exhibit of several things may be made from: a user's own, or a team's own.

In: what `access`, or a report's team, allows. Out: querysets that hold nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db.models import QuerySet

from rpt_web.exhibits.reading import ReadOnce
from rpt_web.results.models import Standing
from rpt_web.runs.models import Experiment, Run
from rpt_web.traces.models import PositionRerun


@dataclass(frozen=True)
class ExhibitScope:
    """What somebody may see."""

    runs: QuerySet[Run]
    experiments: QuerySet[Experiment]
    """Those that are not archived."""
    standings: QuerySet[Standing]
    reading: ReadOnce = field(default_factory=ReadOnce)
    """What was read of the runs for this answer."""


def seen_by_team(team_id: int) -> ExhibitScope:
    """A team's own."""
    experiments = Experiment.objects.filter(team=team_id, archived_at=None)
    return ExhibitScope(Run.objects.filter(experiment__team=team_id), experiments, standings_of(experiments))


def standings_of(experiments: QuerySet[Experiment]) -> QuerySet[Standing]:
    """The rows of these experiments but the one in which single positions are run again: one position measures no
    model."""
    reruns = PositionRerun.objects.values("run__experiment")
    return Standing.objects.filter(experiment__in=experiments).exclude(experiment__in=reruns)
