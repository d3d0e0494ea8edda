"""The charts of a run's tabs: which stand on which, and which of them are open at first.

In: a run. Out: its figures in groups, folded where there are so many that a page of them could not be looked over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest

from rpt_web.pages.group_addresses import ANY_STEP, address_of_list
from rpt_web.pages.runs.marks import marks_of
from rpt_web.results import metric_figures as charts
from rpt_web.results.figures import Figure
from rpt_web.results.metric_figures import MetricChart
from rpt_web.runs import queries
from rpt_web.runs.models import Run

ROWS_OPEN, ROWS_OPEN_BESIDE_MONITORS = 6, 3
"""So many rows of charts are open at first; what comes after them waits in folds."""
IN_A_ROW, LONGEST_GROUP = 3, 9
SIGNS = ("groups", "response-length", "predicted-bytes", "surprise", "entropy")
"""Charts that tell of a collapse, too, beside those that are there for nothing else."""
OF_CURVES = (charts.LEARNING, charts.RESPONSES, charts.UPDATE, charts.COST, charts.OTHER)


@dataclass(frozen=True)
class Fold:
    """Charts with a title."""

    title: str
    figures: Sequence[Figure]
    is_open: bool


def on_curves(chart: MetricChart) -> bool:
    """Whether a chart stands on the tab of the curves."""
    return chart.group in OF_CURVES and chart.id != "groups"


def on_monitors(chart: MetricChart) -> bool:
    """Whether a chart stands on the tab of the collapse monitors."""
    return chart.group == charts.COLLAPSE or chart.id in SIGNS


def on_groups(chart: MetricChart) -> bool:
    """Whether a chart stands on the tab of the groups."""
    return chart.group == charts.SAMPLING or chart.id == "groups"


def charts_of(
    keep: Callable[[MetricChart], bool], rows_open: int = ROWS_OPEN, first: str = ""
) -> Callable[[HttpRequest, Run], dict[str, Any]]:
    """What the part with the charts of a tab shows."""

    def make(request: HttpRequest, run: Run) -> dict[str, Any]:
        series = queries.metric_series(run)
        found = _with_places(run, charts.metric_figures(series, keep))
        drawn = {"folds": folded(found, rows_open, first), "figures_json": [figure.as_json() for figure in found]}
        return drawn | marks_of(run, series) | _told(keep)

    return make


def _with_places(run: Run, found: list[Figure]) -> list[Figure]:
    """Each has its ref; where the run kept its responses, a point leads to the groups of its step."""
    found = [replace(figure, ref=f"run/{run.pk}/metric/{figure.id}") for figure in found]
    if not run.shards.filter(kind="train").exists():
        return found
    place = address_of_list(run.pk, "train", ANY_STEP)
    return [replace(figure, place=place) for figure in found]


def folded(figures: Sequence[Figure], rows_open: int = ROWS_OPEN, first: str = "") -> list[Fold]:
    """The figures in their groups, a long one in several; open as far as so many rows go, and at least one.

    first: the group that comes before all others.
    """
    folds: list[Fold] = []
    rows = 0
    for group in sorted(charts.group_order(figures), key=lambda name: name != first):
        own = [figure for figure in figures if figure.group == group]
        for start in range(0, len(own), LONGEST_GROUP):
            part = own[start : start + LONGEST_GROUP]
            rows += -(-len(part) // (2 if len(part) == 4 else IN_A_ROW))
            title = f"{group}, continued" if start else group
            folds.append(Fold(title, part, not folds or rows <= rows_open))
    return folds


def _told(keep: Callable[[MetricChart], bool]) -> dict[str, list[str]]:
    """A live page has its charts drawn again for a metric that is new to it; not for those of other tabs."""
    if keep is on_curves:
        return {"metrics_elsewhere": charts.metrics_of(lambda chart: not on_curves(chart))}
    return {"metrics_here": charts.metrics_of(keep)}
