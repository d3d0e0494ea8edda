"""Result tables as pages show them: every cell written for people, and the figure that the stage asked for.

In: rows of `ResultTable`, whose data is a `rpt_core.run.tables.ResultTable` as JSON. Out: plain data for templates.
A cell that is not there is None, and the page writes a dash. A stage's texts are escaped by the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from rpt_web.numbers import whole, write_number
from rpt_web.results.figures import Figure
from rpt_web.results.models import ResultTable
from rpt_web.results.table_figures import table_figure
from rpt_web.runs.models import Run

ROWS_AT_FIRST = 50
ONE_MODEL = (
    "Each run is one trained model: the intervals cover the positions, or questions, only. Another seed gives another "
    "model, which may differ by more."
)
UNITS = {"share": "%", "difference": "points", "flops": "FLOPs"}
"""Units that stand in a column's head; seconds and tokens carry theirs in each cell."""
OF_GROUPS = ("ledger", "solved_positions")
"""Tables of what became of groups, which a run's page shows with the groups."""
PATHS = ("domain", "category")
"""Columns whose texts are paths through subjects, stored as corpora write them: Mathematics -> Algebra -> Integers."""


@dataclass(frozen=True)
class ColumnHead:
    """The head of a column."""

    label: str
    unit: str
    is_number: bool


@dataclass(frozen=True)
class Written:
    """A cell as it is read."""

    text: str | None
    """None is missing."""
    is_number: bool
    interval: str = ""
    """The 95 % interval, in the column's unit."""
    n: str = ""
    exact: str = ""
    """The whole number behind a rounded one."""


@dataclass(frozen=True)
class Origin:
    """The table of one run that a row is of: what its numbers rest on follows from it."""

    run: Run
    name: str
    step: int
    title: str
    heads: Sequence[ColumnHead]
    keys: Sequence[str]
    """Of the columns."""


@dataclass(frozen=True)
class Row:
    """A row; one beyond the first `ROWS_AT_FIRST` is shown on request."""

    cells: list[Written]
    is_more: bool
    values: Mapping[str, Any]
    """The same as the stage wrote them, by the keys of columns."""
    origin: Origin | None = None
    """Where tables of several runs stand under each other; None for a mean over seeds, too."""


@dataclass(frozen=True)
class TableView:
    """One table of one run."""

    run: Run
    id: str
    name: str
    step: int
    title: str
    caption: str
    heads: list[ColumnHead]
    keys: list[str]
    """Of the columns."""
    rows: list[Row]
    figure: Figure | None
    noise: str = ""
    """What its intervals leave out; "" where there are none."""

    @property
    def origin(self) -> Origin:
        """Itself, as its rows rest on it."""
        return Origin(self.run, self.name, self.step, self.title, self.heads, self.keys)

    @property
    def ref(self) -> str:
        """What it is called as an exhibit, see `exhibits.refs`."""
        return f"run/{self.run.pk}/table/{self.step}/{self.name}"

    @property
    def address(self) -> str:
        """Where it stands on its run's page."""
        tab = "run_groups" if self.name in OF_GROUPS else "run_evaluations"
        return f"{reverse(f'runs:{tab}', args=[self.run.pk])}#{self.id}"

    @property
    def has_more(self) -> bool:
        """Whether there are rows that are shown on request only."""
        return len(self.rows) > ROWS_AT_FIRST


def table_views(tables: Iterable[ResultTable]) -> list[TableView]:
    """Tables ready to be shown, in their order."""
    return [table_view(table) for table in tables]


def table_view(table: ResultTable) -> TableView:
    """One table ready to be shown."""
    data, id_ = {**table.data, "rows": [with_paths(row) for row in table.data["rows"]]}, table_id(table)
    columns = data["columns"]
    rows = [
        Row([write_cell(row.get(column["key"]), column["kind"]) for column in columns], number >= ROWS_AT_FIRST, row)
        for number, row in enumerate(data["rows"])
    ]
    return TableView(
        run=table.run,
        id=id_,
        name=table.name,
        step=table.step,
        title=table.title,
        caption=data["caption"],
        heads=[head_of(column) for column in columns],
        keys=[column["key"] for column in columns],
        rows=rows,
        figure=table_figure(f"{id_}-figure", table.title, data),
        noise=noise_of(table.run, rows),
    )


def noise_of(run: Run, rows: Iterable[Row]) -> str:
    """That the intervals of a table of one trained model cover its positions only; "" where there are none.

    An analysis compares models, and its caption says what its intervals cover.
    """
    has_intervals = any(cell.interval for row in rows for cell in row.cells)
    return ONE_MODEL if has_intervals and run.stage != "analyse" else ""


def with_paths(row: dict[str, Any]) -> dict[str, Any]:
    """A row in which subjects are parted as on a page, and not by an arrow of ASCII."""
    paths = {name: row[name].replace(" -> ", " › ") for name in PATHS if isinstance(row.get(name), str)}
    return row | paths


def table_id(table: ResultTable) -> str:
    """The element of a table, unique on a page and the same however often the table is written."""
    slug = re.sub(r"[^a-z0-9]+", "-", table.name.lower()).strip("-")[:60]
    return f"table-{table.pk}-{slug}"


def write_cell(cell: Any, kind: str) -> Written:
    """A cell in words. An estimate is an object with value, low, high and n."""
    is_estimate = isinstance(cell, dict)
    value = cell.get("value") if is_estimate else cell
    if not _is_number(value):
        return Written(None if value is None else str(value), is_number=kind != "text")
    n = cell.get("n") if is_estimate else None
    text = write_number(value, kind)
    return Written(
        text=text,
        is_number=True,
        interval=_interval(cell, kind) if is_estimate else "",
        n="" if n is None else whole(n),
        exact="" if kind not in ("tokens", "flops") else f"{value:,.0f}",
    )


def _interval(estimate: dict[str, Any], kind: str) -> str:
    low, high = estimate.get("low"), estimate.get("high")
    if low is None or high is None:
        return ""
    return f"[{write_number(low, kind)}, {write_number(high, kind)}]"


def head_of(column: dict[str, Any]) -> ColumnHead:
    """A column's label, its unit where the label does not say it, and whether it holds numbers."""
    kind, label = column["kind"], column["label"]
    unit = UNITS.get(kind, "")
    return ColumnHead(label, "" if unit.lower() in label.lower() else unit, kind != "text")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
