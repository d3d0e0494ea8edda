"""Which columns there are: settings, metrics and accuracies that exist in runs that somebody may see.

In: runs, a text to look for. Out: columns in sections, so many of each. Settings are read from the newest runs alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from rpt_core.errors import UserError
from rpt_core.run.metrics import HIGHER_IS_BETTER, LOWER_IS_BETTER
from rpt_web.results.models import Evaluation
from rpt_web.results.queries import mode_order
from rpt_web.run_table.columns import PLAIN, RunColumn, column
from rpt_web.runs.models import MetricSummary, Run
from rpt_web.runs.queries import flatten

RUNS_READ = 500
"""Whose settings are looked through: the newest."""
SHOWN = 60
"""Of each section; a text narrows them."""


@dataclass(frozen=True)
class ColumnSection:
    """Columns of one family."""

    title: str
    columns: Sequence[RunColumn]
    more: int
    """So many that fit are not listed."""


def sections(runs: QuerySet[Run], search: str = "", shown: int = SHOWN) -> list[ColumnSection]:
    """What there is, by family; `search`: only names that contain all of its words."""
    words = search.lower().split()
    found = [
        ("Run and cost", list(PLAIN)),
        ("Settings", _settings(runs)),
        ("Metrics", _metrics(runs)),
        ("Accuracies", _accuracies(runs)),
    ]
    return [section for title, names in found if (section := _section(title, names, words, shown)).columns]


def _section(title: str, names: Iterable[str], words: Sequence[str], shown: int) -> ColumnSection:
    columns = [one for name in names if (one := _known(name)) is not None and _fits(one, words)]
    return ColumnSection(title, columns[:shown], max(0, len(columns) - shown))


def _fits(one: RunColumn, words: Sequence[str]) -> bool:
    text = f"{one.name} {one.title}".lower()
    return all(word in text for word in words)


def _known(name: str) -> RunColumn | None:
    """None for a key that no name of a column can hold."""
    try:
        return column(name)
    except UserError:
        return None


def _settings(runs: QuerySet[Run]) -> list[str]:
    newest = runs.exclude(config={}).order_by("-id").values_list("config", flat=True)[:RUNS_READ]
    return [f"config.{key}" for key in sorted({key for config in newest for key, _ in flatten(config) if key})]


def _metrics(runs: QuerySet[Run]) -> list[str]:
    rows = MetricSummary.objects.filter(run__in=runs.order_by().values("pk")).order_by("metric")
    ends = {True: ("last", "best", "min", "max"), False: ("last", "min", "max")}
    return [
        f"metric.{metric}.{how}"
        for metric in rows.values_list("metric", flat=True).distinct()
        for how in ends[metric in HIGHER_IS_BETTER | LOWER_IS_BETTER]
    ]


def _accuracies(runs: QuerySet[Run]) -> list[str]:
    rows = Evaluation.objects.filter(run__in=runs.order_by().values("pk")).order_by()
    found = sorted(rows.values_list("difficulty", "mode").distinct(), key=lambda pair: (pair[0], mode_order(pair[1])))
    return [f"accuracy.{difficulty}.{mode}" for difficulty, mode in found]
