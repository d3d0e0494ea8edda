"""The paper's tables and figures from a team's own runs: which there are, and the averages of Figure 4.

In: the experiments that were chosen. Out: the pages, and for a figure of evaluations its points; `paper_tables` has the
tables of the stages. Published numbers stand beside, never within.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from django.db.models import Q, QuerySet

from rpt_core.config import DIFFICULTIES
from rpt_core.statistics.seeds import SHARES, across_seeds
from rpt_web.results.curves import CURVE_POINT
from rpt_web.results.figures import Figure
from rpt_web.results.models import Evaluation, ResultTable, Standing
from rpt_web.results.published import BY_CATEGORY, REFERENCES, TABLE_1, Reference
from rpt_web.results.queries import mode_label
from rpt_web.results.table_figures import table_figure


@dataclass(frozen=True)
class PaperPage:
    """One table or figure of the paper, or what belongs beside them."""

    slug: str
    paper: str
    title: str
    words: str
    stages: tuple[str, ...]
    """Of the runs whose tables it shows; empty where it is made of evaluations."""
    prefixes: tuple[str, ...] = ()
    """How the names of these tables begin."""
    formats: tuple[str, ...] = ()
    """Of the questions, on a page that shows multiple choice by category; empty on all others."""
    has_curves: bool = False
    """Whether it also shows the curves of RPT runs, from what they evaluated themselves."""

    @property
    def tables(self) -> QuerySet[ResultTable]:
        """The stages' tables that it shows, of all teams."""
        named = Q(*(("name__startswith", prefix) for prefix in self.prefixes), _connector=Q.OR)
        rows = ResultTable.objects.filter(named, run__stage__in=self.stages)
        return rows.filter(run__config__format__in=self.formats) if self.formats else rows

    @property
    def reference(self) -> Reference | None:
        """The published rows, where they are those of a stage's tables."""
        return next((found for found in (*REFERENCES, *BY_CATEGORY) if found.table == self.paper), None)


PAGES = (
    PaperPage(
        "table-1",
        "Table 1",
        "Next-token accuracy",
        "Accuracy at held-out positions by difficulty, with and without thinking.",
        (),
    ),
    PaperPage(
        "figure-4",
        "Figure 4",
        "Average accuracy",
        "The mean of easy, medium and hard, one bar for each model and mode.",
        (),
    ),
    PaperPage(
        "table-2",
        "Table 2",
        "Learning from answers",
        "Reinforcement learning on questions, before and after, from different starting points.",
        ("rlvr",),
        ("rlvr",),
    ),
    PaperPage(
        "table-3",
        "Table 3",
        "Multiple choice",
        "End tasks, by category, with and without thinking.",
        ("benchmark",),
        ("",),
    ),
    PaperPage(
        "table-6",
        "Table 6",
        "SuperGPQA by category",
        "Graduate questions of 13 disciplines: one row for each model and mode.",
        ("benchmark",),
        ("benchmark",),
        ("supergpqa",),
    ),
    PaperPage(
        "table-7",
        "Table 7",
        "MMLU-Pro by category",
        "Questions of 14 subjects: one row for each model and mode.",
        ("benchmark",),
        ("benchmark",),
        ("mmlu_pro",),
    ),
    PaperPage(
        "other-questions",
        "",
        "Other questions by category",
        "Questions of your own and those of the built-in corpus, in the form of Tables 6 and 7.",
        ("benchmark",),
        ("benchmark",),
        ("generic", "tiny"),
    ),
    PaperPage(
        "table-8",
        "Table 8",
        "Prompt templates",
        "Every template at the same positions: one response, and the best of several.",
        ("templates",),
        ("templates",),
    ),
    PaperPage(
        "figure-5",
        "Figure 5",
        "Accuracy over training compute",
        "P(C) = A / C^α + P*, with its band, the error at a point that it has not seen, and how far it goes on.",
        ("analyse",),
        ("scaling",),
        has_curves=True,
    ),
    PaperPage(
        "figure-6",
        "Figure 6",
        "Patterns of reasoning",
        "How often responses show each pattern, and how that changes.",
        ("analyse",),
        ("pattern", "keywords"),
    ),
    PaperPage(
        "hybrid-thinking",
        "",
        "Hybrid thinking",
        "Think only where the policy itself is uncertain: accuracy against the tokens that it takes.",
        ("analyse",),
        ("frontier", "hybrid"),
    ),
)


def page_of(slug: str) -> PaperPage | None:
    """The page of that name."""
    return next((page for page in PAGES if page.slug == slug), None)


def experiments_with(page: PaperPage, experiments: Any) -> Any:
    """Of experiments those that have something for a page, the newest first."""
    if not page.stages:
        return experiments.filter(standings__isnull=False).distinct().order_by("-id")
    having = Q(pk__in=page.tables.values("run__experiment"))
    if page.has_curves:
        points = Evaluation.objects.filter(CURVE_POINT, run__stage="rpt")
        having |= Q(pk__in=points.values("run__experiment"))
    return experiments.filter(having).order_by("-id")


AVERAGES_COVER = (
    "The three difficulties are nested, so their positions are not independent and the mean of one trained model has "
    "no interval. A row of several seeds has Student's t interval over the seeds, which covers the noise of training."
)


@dataclass(frozen=True)
class AverageRow:
    """The mean of the three difficulties of one model in one mode."""

    standing: Standing
    value: float
    each: Sequence[float]
    """Of each seed."""
    low: float | None
    high: float | None
    """Student's t over the seeds; None with one seed."""

    @property
    def mode(self) -> str:
        """In words."""
        return mode_label(self.standing.mode)


def averages(rows: Iterable[Standing]) -> list[AverageRow]:
    """Of the rows that have all three difficulties, the best one first."""
    found = []
    for row in rows:
        if all(getattr(row, level) is not None for level in DIFFICULTIES) and not row.mode.startswith("pass@"):
            each = [mean(member["values"][level] for level in DIFFICULTIES) for member in row.members]
            over_seeds = across_seeds(each, SHARES)
            low, high = (over_seeds.low, over_seeds.high) if over_seeds else (None, None)
            found.append(AverageRow(row, mean(getattr(row, level) for level in DIFFICULTIES), each, low, high))
    return sorted(found, key=lambda row: -row.value)


def published_averages() -> list[tuple[str, str, float]]:
    """Model, mode and the mean of the published Table 1."""
    return [(row.model, row.mode, mean((row.easy, row.medium, row.hard))) for row in TABLE_1]


def average_figure(rows: Sequence[AverageRow], id_: str) -> Figure | None:
    """Bars of the averages, one series for each mode."""
    columns = [
        {"key": "model", "label": "Model", "kind": "text"},
        {"key": "mode", "label": "Mode", "kind": "text"},
        {"key": "average", "label": "Mean of easy, medium and hard", "kind": "share"},
    ]
    several = len({row.standing.experiment_id for row in rows}) > 1
    names = [label_of(row.standing) if several else row.standing.name for row in rows]
    chart = {
        "kind": "bars",
        "x": "model",
        "y": ["average"],
        "group": "mode",
        "x_title": "",
        "y_title": "",
        "x_log": False,
    }
    data = {
        "columns": columns,
        "rows": [
            {"model": name, "mode": row.mode, "average": {"value": row.value, "low": row.low, "high": row.high}}
            for name, row in zip(names, rows, strict=True)
        ],
        "chart": chart,
    }
    return table_figure(id_, "Average accuracy", data)


def label_of(standing: Standing) -> str:
    """A model among those of several experiments."""
    return f"{standing.experiment.name}: {standing.name}"
