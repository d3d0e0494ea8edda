"""What hangs on runs: what goes with them when they are deleted, and what came from them and would break.

In: runs. Out: numbers and rows, as the page shows them before anything is deleted. A fixed number of queries.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, Sum

from rpt_web.runs import parents
from rpt_web.runs.models import UNFINISHED, Run, RunParent, Status

READERS_SHOWN = 50


@dataclass(frozen=True)
class Hanging:
    """What would go, and what would stay without it."""

    runs: int
    checkpoints: int
    evaluations: int
    responses: int
    models: Sequence[str]
    """Names of the models that were registered from its checkpoints."""
    clones: int
    disk_bytes: int
    unmeasured: int
    """Runs whose folder was not measured yet."""
    readers: Sequence[RunParent]
    """What runs of the same team, outside of these, took of them."""
    more_readers: int
    other_teams: int
    """Runs of other teams that took something of them."""

    @property
    def in_all(self) -> int:
        """What came from them, of all teams."""
        return len(self.readers) + self.more_readers + self.other_teams


def hanging_on(runs: Sequence[Run], team_id: int) -> Hanging:
    """Of runs of one team (6 queries)."""
    rows = Run.objects.filter(pk__in=[run.pk for run in runs]).order_by()
    readers = RunParent.objects.filter(parent__in=rows).exclude(run__in=rows)
    own = list(readers.filter(run__experiment__team=team_id).select_related("run__experiment", "parent").order_by("id"))
    return Hanging(
        runs=len(runs),
        models=sorted(rows.exclude(registered_models=None).values_list("registered_models__name", flat=True)),
        clones=Run.objects.filter(origin__in=rows).exclude(pk__in=rows).count(),
        disk_bytes=sum(run.disk_bytes or 0 for run in runs),
        unmeasured=sum(run.disk_bytes is None for run in runs),
        readers=own[:READERS_SHOWN],
        more_readers=max(0, len(own) - READERS_SHOWN),
        other_teams=readers.exclude(run__experiment__team=team_id).values("run").distinct().count(),
        **_counted(rows),
    )


def unfinished_that_need(runs: Sequence[Run]) -> list[Run]:
    """Runs beside these that have not ended and read from one of them, or will when they start; oldest first."""
    keys = {run.pk for run in runs}
    reads = Q(parents__parent__in=keys)
    for run in runs:
        reads |= Q(experiment=run.experiment_id, status=Status.WAITING, needs__contains=[run.name])
    found = Run.objects.filter(reads, status__in=UNFINISHED).exclude(pk__in=keys).distinct()
    needing = {run.pk: run for run in found.select_related("experiment")}
    planned = Run.objects.filter(status=Status.WAITING).exclude(pk__in=keys | needing.keys())
    for run in planned.select_related("experiment"):
        if keys & parents.runs_named(run.plan):
            needing[run.pk] = run
    return [needing[key] for key in sorted(needing)]


def _counted(rows: Any) -> dict[str, int]:
    asked: Iterable[tuple[str, Any]] = (
        ("checkpoints", Count("checkpoints")),
        ("evaluations", Count("evaluations")),
        ("responses", Sum("shards__rows")),
    )
    return {name: rows.aggregate(found=function)["found"] or 0 for name, function in asked}
