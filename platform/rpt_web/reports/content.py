"""What a report shows: each part with its data, as it is now or as it was kept.

In: a report. Out: `ShownPart`s. What is live is read for the report's team alone, so that a report shows nothing of
another team, whoever reads it. Figures of reviews depend on who may see which reviews: they are kept when added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rpt_core.run.rollout_files import read_rollouts_at
from rpt_web.exhibits import building
from rpt_web.exhibits.exhibit import Exhibit, from_json
from rpt_web.exhibits.refs import ExhibitRef, parsed
from rpt_web.exhibits.seen import seen_by_team
from rpt_web.reports.models import PartKind, ReportPart, TeamReport
from rpt_web.runs.models import Experiment, Run
from rpt_web.text import clean_json
from rpt_web.traces.models import Rollout, RolloutShard

RESPONSE = "response/"
NEVER_LIVE = ("queue",)


@dataclass(frozen=True)
class QuotedResponse:
    """A response as a report shows it."""

    run: int
    run_name: str
    step: int
    kind: str
    reward: float
    prompt: str
    response: str


@dataclass(frozen=True)
class ShownPart:
    """A part with its data; neither exhibit nor response where it is a text, or where the run is gone."""

    key: int
    """The row's."""
    number: int
    """Its place in the report, from 1."""
    kind: str
    text: str
    ref: str
    exhibit: Exhibit | None = None
    response: QuotedResponse | None = None

    @property
    def is_gone(self) -> bool:
        """Whether it should show something that is no longer there."""
        return self.kind != PartKind.TEXT and self.exhibit is None and self.response is None


class LiveData:
    """What some refs show of a team, as it is now: what several of them need is read once, for one answer."""

    def __init__(self, team_id: int, refs: Iterable[str]) -> None:
        """Read the runs and experiments that they name, if they are the team's own (at most 5 queries)."""
        named = [found for found in map(parsed, refs) if found is not None]
        runs = Run.objects.filter(experiment__team=team_id).select_related("experiment")
        self._runs = runs.in_bulk({found.pk for found in named if found.kind == "run"})
        experiments = Experiment.objects.filter(team=team_id)
        self._experiments = experiments.in_bulk({found.pk for found in named if found.kind == "experiment"})
        self._seen = seen_by_team(team_id)
        self._seen.reading.sources(self._runs.values())

    def of(self, ref: str) -> Exhibit | QuotedResponse | None:
        """The figure, table or response of one of the refs."""
        found = parsed(ref)
        if found is None or found.kind in NEVER_LIVE:
            return None
        if found.kind in building.SEVERAL:
            return building.of_several(found, self._seen)
        if found.kind == "experiment":
            experiment = self._experiments.get(found.pk)
            return building.of_experiment(experiment, found.rest, self._seen.reading) if experiment else None
        run = self._runs.get(found.pk)
        if run is None:
            return None
        is_response = found.rest.startswith(RESPONSE)
        return _response(run, found) if is_response else building.of_run(run, found.rest, self._seen.reading)


def shown_parts(report: TeamReport) -> list[ShownPart]:
    """All parts in order."""
    parts = list(report.parts.order_by("place", "id"))
    live = None if report.frozen_at else LiveData(report.team_id, [part.ref for part in parts])
    return [_shown(part, live) for part in parts]


def data_of(team_id: int, ref: str) -> Exhibit | QuotedResponse | None:
    """The live figure, table or response of a ref, if it is the team's own."""
    return LiveData(team_id, [ref]).of(ref)


def as_stored(data: Exhibit | QuotedResponse) -> dict[str, Any]:
    """As a part keeps it."""
    stored = data.as_json() if isinstance(data, Exhibit) else dict(vars(data))
    cleaned: dict[str, Any] = clean_json(stored)
    return cleaned


def _shown(part: ReportPart, live: LiveData | None) -> ShownPart:
    data = None
    if part.kind != PartKind.TEXT:
        data = live.of(part.ref) if live else None
        data = data or _from_stored(part.kind, part.stored)
    exhibit = data if isinstance(data, Exhibit) else None
    response = data if isinstance(data, QuotedResponse) else None
    return ShownPart(part.pk, part.place, part.kind, part.text, part.ref, exhibit, response)


def _from_stored(kind: str, stored: Mapping[str, Any] | None) -> Exhibit | QuotedResponse | None:
    if stored is None:
        return None
    return from_json(stored) if kind == PartKind.EXHIBIT else QuotedResponse(**stored)


def _response(run: Run, ref: ExhibitRef) -> QuotedResponse | None:
    number = ref.rest.removeprefix(RESPONSE)
    is_number = number.isascii() and number.isdecimal() and len(number) < 19
    row = Rollout.objects.filter(run_id=run.pk, id=int(number)).first() if is_number else None
    shard = RolloutShard.objects.filter(run=run, kind=row.kind, step=row.step).first() if row else None
    if row is None or shard is None:
        return None
    try:
        full = read_rollouts_at(run.directory / shard.path, [row.row])[0]
    except (OSError, IndexError, ValueError):  # pyarrow's errors are ValueErrors
        return None
    return QuotedResponse(run.pk, run.name, row.step, row.kind, row.reward, full.prompt, full.response)
