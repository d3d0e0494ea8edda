"""The stages' tables on the paper's pages: those of several runs under each other, and runs of several seeds as one.

In: a page of the paper, the experiments that were chosen. Out: `SeveralRuns`: the rows of all runs with the run in
front, one figure of all of them, and where runs differ in their seed alone the mean over the seeds before them. A row
of one run keeps the interval that its stage gave it, which covers positions or questions; a mean has one of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rpt_web.results.figures import Figure, Json
from rpt_web.results.models import ResultTable
from rpt_web.results.paper import PaperPage
from rpt_web.results.paper_categories import BY_CATEGORY, by_category, category_chart
from rpt_web.results.paper_seeds import OF_RUN, OF_SEEDS, WORDS, seed_means
from rpt_web.results.table_figures import table_figure
from rpt_web.results.table_queries import newest
from rpt_web.results.tables import ROWS_AT_FIRST, ColumnHead, Origin, Row, head_of, noise_of, with_paths, write_cell
from rpt_web.runs.models import Experiment, Run
from rpt_web.runs.seed_groups import seed_of

MOST_RUNS = 40
"""Of a page: more rows than these nobody compares by eye."""
_RUN_COLUMN = {"key": OF_RUN, "label": "Run", "kind": "text"}
_SEEDS_COLUMN = {"key": OF_SEEDS, "label": "Seeds", "kind": "text"}


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
    """What its intervals cover, and what they leave out."""
    key: str = ""
    """What it is called among the tables of its page: the name of the stages' tables, perhaps with a number."""
    data: Json = field(default_factory=dict)
    """Its columns, rows and caption, with the noise, in the form of a stage's table."""
    ref: str = ""
    """What it is called as an exhibit, see `exhibits.refs`; empty for one without an address of its own."""

    @property
    def has_more(self) -> bool:
        """Whether there are rows that are shown on request only."""
        return len(self.rows) > ROWS_AT_FIRST


@dataclass(frozen=True)
class OneRun:
    """A table of one run, in the form in which it stands among others."""

    run: Run
    name: str
    title: str
    data: Json
    step: int
    form: str
    """What tables whose rows are of this form are called."""

    @property
    def origin(self) -> Origin:
        """As its rows rest on it, without the columns that stand in front of those of several runs."""
        columns = self.data["columns"]
        heads, keys = [head_of(column) for column in columns], [column["key"] for column in columns]
        return Origin(self.run, self.form, self.step, self.title, heads, keys)


def tables_of(page: PaperPage, experiments: Sequence[Experiment]) -> tuple[list[SeveralRuns], list[Run]]:
    """The tables of a page, of all runs of these experiments, and these runs (2 queries)."""
    rows = page.tables.filter(run__experiment__in=experiments)
    found = newest(rows.select_related("run__experiment").order_by("step", "id"))
    runs = {table.run_id: table.run for table in found}
    kept = sorted(runs.values(), key=lambda run: (run.experiment_id, run.pk))[:MOST_RUNS]
    families: dict[Any, list[OneRun]] = defaultdict(list)
    for run in kept:
        for one in (_one_run(page, table) for table in found if table.run_id == run.pk):
            families[_family(page, one)].append(one)
    several = len({run.experiment_id for run in kept}) > 1
    called = _keys([family[0].name for family in families.values()])
    made = [
        _joined(page, f"joined-{number}", key, tables, several_experiments=several)
        for number, (key, tables) in enumerate(zip(called, families.values(), strict=True))
    ]
    return made, kept


def _one_run(page: PaperPage, table: ResultTable) -> OneRun:
    data = by_category(table.data, table.run_id, table.step) if page.formats else table.data
    form = BY_CATEGORY if page.formats else table.name
    return OneRun(table.run, table.name, table.title, data, table.step, form)


def _family(page: PaperPage, one: OneRun) -> tuple[Any, ...]:
    """Tables of one family stand under each other: they have the same name and columns, and ask the same questions."""
    if page.formats:
        return one.title, *(column["label"] for column in one.data["columns"])
    return one.name, *(column["key"] for column in one.data["columns"])


def _keys(names: Sequence[str]) -> list[str]:
    """The names; a further one of the same name with its number: a, b, a/2."""
    before = [names[:place].count(name) for place, name in enumerate(names)]
    return [f"{name}/{count + 1}" if count else name for name, count in zip(names, before, strict=True)]


def _joined(page: PaperPage, id_: str, key: str, tables: Sequence[OneRun], *, several_experiments: bool) -> SeveralRuns:
    first = tables[0]
    means = seed_means([table.run for table in tables], [table.data for table in tables])
    columns = [_RUN_COLUMN, *([_SEEDS_COLUMN] if means else []), *first.data["columns"]]
    found = [
        ({OF_RUN: _named(table.run, name, several_experiments), **with_paths(row)}, None if name else table.origin)
        for place, table in enumerate(tables)
        for name, own in [*((mean.name, mean.rows) for mean in means.get(place, ())), ("", _own(table))]
        for row in own
    ]
    rows = [row for row, _ in found]
    written = [
        Row(
            [write_cell(row.get(column["key"]), column["kind"]) for column in columns],
            number >= ROWS_AT_FIRST,
            row,
            origin,
        )
        for number, (row, origin) in enumerate(found)
    ]
    caption = _caption(tables)
    noise = " ".join(filter(None, [noise_of(first.run, written), WORDS if means else ""]))
    if page.formats:  # bars of every seed beside those of their mean are too many
        behind = {tables[place].run.pk for own in means.values() for mean in own for place in mean.places}
        drawn = category_chart(columns, [row for row in rows if row.get("of_run_id") not in behind])
    else:
        drawn = _drawn(first.data, columns, rows, len(tables))
    figure = table_figure(f"{id_}-figure", first.title, drawn)
    return SeveralRuns(
        id_,
        first.title,
        [head_of(column) for column in columns],
        [column["key"] for column in columns],
        written,
        figure,
        caption,
        name=BY_CATEGORY if page.formats else "",
        noise=noise,
        key=key,
        data={"columns": columns, "rows": rows, "caption": f"{caption} {noise}".strip()},
    )


def _own(table: OneRun) -> list[Json]:
    """The rows of one run, each with its seed."""
    return [{OF_SEEDS: str(seed_of(table.run)), **row} for row in table.data["rows"]]


def _caption(tables: Sequence[OneRun]) -> str:
    captions = {table.data["caption"] for table in tables}
    more = " The captions of the other runs differ: see their own pages." if len(captions) > 1 else ""
    return f"{tables[0].data['caption']}{more}"


def _drawn(data: Json, columns: list[Json], rows: list[Json], of: int) -> Json:
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


def _named(run: Run, mean: str, several_experiments: bool) -> str:
    name = mean or run.name
    return f"{run.experiment.name}: {name}" if several_experiments else name
