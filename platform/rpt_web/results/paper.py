"""The paper's tables and figures from a team's own runs, several experiments and seeds in one.

In: the experiments that were chosen. Out: for a table of the stages the rows of all runs under each other with the run
in front, and one figure of all of them; for a figure of evaluations its points. Published numbers stand beside, never
within. Nothing is averaged over seeds here: each run's rows are its own, and their intervals cover what they say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import mean
from typing import Any

from django.db.models import Q

from rpt_core.config import DIFFICULTIES
from rpt_web.results.figures import Figure
from rpt_web.results.models import ResultTable, Standing
from rpt_web.results.published import REFERENCES, TABLE_1, Reference
from rpt_web.results.queries import mode_label
from rpt_web.results.table_figures import table_figure
from rpt_web.results.table_queries import newest
from rpt_web.results.tables import ROWS_AT_FIRST, ColumnHead, Row, head_of, noise_of, with_paths, write_cell
from rpt_web.runs.models import Experiment, Run

OF_RUN = "of_run"
"""The column that says whose a row is, in the tables of several runs."""
MOST_RUNS = 40
"""Of a page: more rows than these nobody compares by eye."""


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

    @property
    def reference(self) -> Reference | None:
        """The published rows, where they are those of a stage's tables."""
        return next((found for found in REFERENCES if found.table == self.paper), None)


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
    tables = ResultTable.objects.filter(_names(page), run__stage__in=page.stages)
    return experiments.filter(runs__tables__in=tables).distinct().order_by("-id")


@dataclass(frozen=True)
class SeveralRuns:
    """One table of several runs: their rows under each other, and one figure."""

    id: str
    title: str
    heads: Sequence[ColumnHead]
    keys: Sequence[str]
    rows: Sequence[Row]
    figure: Figure | None
    caption: str
    name: str = ""
    run: Run | None = None
    noise: str = ""
    key: str = ""
    """What it is called among the tables of its page: the name of the stages' tables, perhaps with a number."""
    data: dict[str, Any] = field(default_factory=dict)
    """Its columns, rows and caption in the form of a stage's table."""
    ref: str = ""
    """What it is called as an exhibit, see `exhibits.refs`; empty for one without an address of its own."""

    @property
    def has_more(self) -> bool:
        """Whether there are rows that are shown on request only."""
        return len(self.rows) > ROWS_AT_FIRST


def tables_of(page: PaperPage, experiments: Sequence[Experiment]) -> tuple[list[SeveralRuns], list[Run]]:
    """The tables of a page, of all runs of these experiments, and these runs (2 queries)."""
    rows = ResultTable.objects.filter(_names(page), run__experiment__in=experiments, run__stage__in=page.stages)
    listed = rows.select_related("run__experiment").order_by("step", "id")
    found = newest(listed)
    runs = {table.run_id: table.run for table in found}
    kept = sorted(runs.values(), key=lambda run: (run.experiment_id, run.pk))[:MOST_RUNS]
    families: dict[Any, list[ResultTable]] = defaultdict(list)
    for run in kept:
        for table in found:
            if table.run_id == run.pk:
                keys = tuple(column["key"] for column in table.data["columns"])
                families[table.name, keys].append(table)
    several = len({run.experiment_id for run in kept}) > 1
    called = _keys([name for name, _ in families])
    made = [
        _joined(f"joined-{number}", key, tables, several_experiments=several)
        for number, (key, tables) in enumerate(zip(called, families.values(), strict=True))
    ]
    return made, kept


def _keys(names: Sequence[str]) -> list[str]:
    """The names; a further one of the same name with its number: a, b, a/2."""
    before = [names[:place].count(name) for place, name in enumerate(names)]
    return [f"{name}/{count + 1}" if count else name for name, count in zip(names, before, strict=True)]


def _joined(id_: str, key: str, tables: Sequence[ResultTable], *, several_experiments: bool) -> SeveralRuns:
    first = tables[0]
    columns = [{"key": OF_RUN, "label": "Run", "kind": "text"}, *first.data["columns"]]
    rows = [
        {OF_RUN: _name(table.run, several_experiments), **with_paths(row)}
        for table in tables
        for row in table.data["rows"]
    ]
    written = [
        Row([write_cell(row.get(column["key"]), column["kind"]) for column in columns], number >= ROWS_AT_FIRST, row)
        for number, row in enumerate(rows)
    ]
    captions = {table.data["caption"] for table in tables}
    caption = first.data["caption"] + (
        " The captions of the other runs differ: see their own pages." if len(captions) > 1 else ""
    )
    figure = table_figure(f"{id_}-figure", first.title, _drawn(first.data, columns, rows, len(tables)))
    heads = [head_of(column) for column in columns]
    return SeveralRuns(
        id_,
        first.title,
        heads,
        [column["key"] for column in columns],
        written,
        figure,
        caption,
        noise=noise_of(first.run, written),
        key=key,
        data={"columns": columns, "rows": rows, "caption": caption},
    )


def _drawn(data: dict[str, Any], columns: list[dict[str, Any]], rows: list[dict[str, Any]], of: int) -> dict[str, Any]:
    """The data of a figure in which each run has its own series."""
    chart = data["chart"]
    if chart is None or of == 1:
        return {"columns": columns, "rows": rows, "chart": chart}
    group = chart.get("group")
    series = [
        row | {"series": f"{row[group]}, {row[OF_RUN]}" if group and row.get(group) else row[OF_RUN]} for row in rows
    ]
    return {
        "columns": [*columns, {"key": "series", "label": "Series", "kind": "text"}],
        "rows": series,
        "chart": chart | {"group": "series"},
    }


def _name(run: Run, several_experiments: bool) -> str:
    return f"{run.experiment.name}: {run.name}" if several_experiments else run.name


def _names(page: PaperPage) -> Q:
    found = Q()
    for prefix in page.prefixes:
        found |= Q(name__startswith=prefix)
    return found


@dataclass(frozen=True)
class AverageRow:
    """The mean of the three difficulties of one model in one mode."""

    standing: Standing
    value: float
    each: Sequence[float] = field(default_factory=tuple)
    """Of each seed."""

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
            found.append(AverageRow(row, mean(getattr(row, level) for level in DIFFICULTIES), each))
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
            {"model": name, "mode": row.mode, "average": row.value} for name, row in zip(names, rows, strict=True)
        ],
        "chart": chart,
    }
    return table_figure(id_, "Average accuracy", data)


def label_of(standing: Standing) -> str:
    """A model among those of several experiments."""
    return f"{standing.experiment.name}: {standing.name}"
