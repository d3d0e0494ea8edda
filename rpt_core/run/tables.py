"""Finished tables: what a stage found, in a form that a page, a document and a notebook can all show.

In: columns, rows, perhaps how to draw them. Out: `tables/NAME.json` in the run's folder, and a `table` event that says
the same, from which the platform makes its rows. A cell that is not there is None and shows as a dash; an accuracy or
any other estimate is an `Estimate`, so that its n and its 95 % interval travel with it. Loads without torch and numpy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, Literal

from rpt_core.files import write_whole
from rpt_core.run.events import EventLog, EventType, finite
from rpt_core.run.folder import RunDir

ColumnKind = Literal["text", "number", "count", "share", "difference", "seconds", "tokens", "flops"]
"""How a column is written: `share` is a fraction of 1, shown in %; `difference` that of two shares, with its sign."""
MAX_ROWS = 2000
"""A table is for people; longer data belongs in a Parquet file."""


@dataclass(frozen=True)
class Estimate:
    """A number with what it rests on."""

    value: float
    low: float | None
    """Lower end of the 95 % interval."""
    high: float | None
    n: int | None
    """How many observations."""


Cell = str | int | float | Estimate | None


@dataclass(frozen=True)
class Column:
    """One column."""

    key: str
    label: str
    kind: ColumnKind = "text"


@dataclass(frozen=True)
class Chart:
    """How a table is drawn. Estimates bring error bars (points, bars) or a band (lines)."""

    kind: Literal["line", "points", "bars"]
    x: str
    """Key of the column on the horizontal axis."""
    y: tuple[str, ...]
    """Keys of the columns on the vertical axis, all in one unit."""
    group: str | None = None
    """Key of a text column: one series for each of its values."""
    x_title: str = ""
    """Axis title with its unit; empty takes the column's label."""
    y_title: str = ""
    x_log: bool = False


@dataclass(frozen=True)
class ResultTable:
    """A table with its name (unique within a run and step), title and caption."""

    name: str
    title: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Cell]]
    """Each row has a cell for every column's key."""
    chart: Chart | None = None
    step: int = 0


def emit_table(run: RunDir, log: EventLog, table: ResultTable) -> None:
    """Write the table's file and announce it. A row or a chart that does not fit the columns is a bug (KeyError)."""
    if len(table.rows) > MAX_ROWS:
        raise ValueError(f"table {table.name!r} has {len(table.rows)} rows, at most {MAX_ROWS} are allowed")
    keys = [column.key for column in table.columns]
    if table.chart and (unknown := {table.chart.x, *table.chart.y, table.chart.group or table.chart.x} - {*keys}):
        raise KeyError(f"the chart of table {table.name!r} names columns that are not there: {sorted(unknown)}")
    data = {
        "name": table.name,
        "step": table.step,
        "title": table.title,
        "caption": table.caption,
        "columns": [asdict(column) for column in table.columns],
        "rows": [{key: _plain(row[key]) for key in keys} for row in table.rows],
        "chart": None if table.chart is None else asdict(table.chart),
    }
    path = run.table(table.name)
    write_whole(path, json.dumps(finite(data), ensure_ascii=False, indent=1).encode())
    log.emit(EventType.TABLE, path=run.relative(path), **data)


def _plain(cell: Cell) -> Any:
    return asdict(cell) if is_dataclass(cell) else cell
