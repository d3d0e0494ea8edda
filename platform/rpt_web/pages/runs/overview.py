"""What the first tab of a run shows: what was measured last, what the run came from, what came of it, its data.

In: a run and who asks. Out: plain data and rows. What another team's run was is named only for those who may see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.http import HttpRequest

from rpt_core.config import DIFFICULTIES
from rpt_web import access
from rpt_web.corpora import naming
from rpt_web.numbers import points
from rpt_web.results import levels
from rpt_web.results import queries as results
from rpt_web.results.models import Evaluation
from rpt_web.runs import display, queries
from rpt_web.runs.models import ParentRole, Run, RunParent

EVENTS_SHOWN, RELATED_SHOWN = 6, 8
_TAKEN = {
    ParentRole.START: "starts from",
    ParentRole.COMPUTE: "trains for as much compute as",
    ParentRole.RESPONSES: "samples as many responses as",
    ParentRole.READS: "reads what was made by",
}
_GIVEN = {
    ParentRole.START: "started from here",
    ParentRole.COMPUTE: "trains for as much compute",
    ParentRole.RESPONSES: "samples as many responses",
    ParentRole.READS: "reads what this run made",
}


@dataclass(frozen=True)
class Related:
    """A run, or a model, that this one came from or that came of it."""

    words: str
    run: Run | None
    path: str = ""
    step: int | None = None


@dataclass(frozen=True)
class Measured:
    """The newest accuracy at one difficulty, and what it was at the first evaluation."""

    difficulty: str
    now: Evaluation
    first: Evaluation | None

    @property
    def words(self) -> str:
        """What the number rests on."""
        before = f"{points(self.first.value)} at step {self.first.step:,}; now " if self.first else ""
        return f"{before}{points(self.now.low)} to {points(self.now.high)} (95 %), n {self.now.n:,}"


def records(request: HttpRequest, run: Run) -> dict[str, Any]:
    """All of it."""
    positions = list(run.events.filter(type="positions").order_by("seq"))
    evaluations = results.accuracy_by_step(run)
    mode = min((mode for mode, _ in evaluations), key=_preference, default="")
    return {
        "mode": results.mode_label(mode) if mode else "",
        "measured": [_measured(rows) for level in DIFFICULTIES if (rows := evaluations.get((mode, level)))],
        "came_from": _came_from(request, run),
        "came_of": _came_of(request, run),
        "models": list(run.registered_models.order_by("-step")[:RELATED_SHOWN]),
        "corpora": list(run.corpora.all()),
        "versions": _versions(request, run),
        "positions": positions,
        "counted_levels": levels.counted_levels(positions[0].data) if positions else "",
        "result": sorted(run.result.items()),
        "newest_checkpoint": run.checkpoints.order_by("-step").first(),
        "latest_events": [
            (event, display.event_words(event)) for event in queries.event_page(run).events[:EVENTS_SHOWN]
        ],
    }


def _preference(mode: str) -> tuple[bool, tuple[int, int, str]]:
    """The headline is about reasoning; without it, the first of the usual order."""
    return mode != "sampled", results.mode_order(mode)


def _measured(rows: Sequence[Evaluation]) -> Measured:
    return Measured(rows[-1].difficulty, rows[-1], rows[0] if len(rows) > 1 else None)


def _came_from(request: HttpRequest, run: Run) -> list[Related]:
    """Its parents, and the run that it was cloned from."""
    rows = list(run.parents.order_by("id"))
    runs = access.runs_for(request.user).select_related(None).defer(*queries.UNLISTED)
    seen = runs.in_bulk([row.parent_id for row in rows if row.parent_id])
    found = [Related(_TAKEN[ParentRole(row.role)], seen.get(row.parent_id or 0), row.path, row.step) for row in rows]
    return [related for related in found if related.run or related.path]


def _came_of(request: HttpRequest, run: Run) -> list[Related]:
    """The runs that take something of it, newest first, and its clones."""
    rows = RunParent.objects.filter(parent=run).order_by("-run_id")[: RELATED_SHOWN + 1]
    roles = [(row.run_id, row.role, row.step) for row in rows]
    runs = access.runs_for(request.user).select_related(None).defer(*queries.UNLISTED)
    visible = runs.filter(Q(pk__in=[pk for pk, *_ in roles]) | Q(origin=run)).order_by("-id")
    seen = {found.pk: found for found in visible[: 2 * RELATED_SHOWN]}
    taken = [Related(_GIVEN[ParentRole(role)], seen[pk], step=step) for pk, role, step in roles if pk in seen]
    return taken + [Related("cloned from this run", found) for found in seen.values() if found.origin_id == run.pk]


def _versions(request: HttpRequest, run: Run) -> list[tuple[naming.NamedVersion, bool]]:
    """The versions of corpora that the run names, each with whether the reader may see it."""
    found = naming.versions_named(run)
    asked = {version.corpus_id for version in found}
    seen = set(access.corpora_for(request.user).filter(pk__in=asked).values_list("pk", flat=True)) if asked else set()
    return [(version, version.deleted_at is None and version.corpus_id in seen) for version in found]
