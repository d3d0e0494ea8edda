"""An exhibit as templates show it: the figure with an id of its own, the table with its cells in words.

In: exhibits. Out: plain data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from rpt_web.exhibits.exhibit import Exhibit
from rpt_web.exports.tables import PlainTable, PlainValue, ShownColumn
from rpt_web.numbers import whole, write_number
from rpt_web.results.figures import Figure
from rpt_web.results.tables import ROWS_AT_FIRST, ColumnHead, Written, head_of

T = TypeVar("T")


@dataclass(frozen=True)
class WrittenRow:
    """A row; one beyond the first `ROWS_AT_FIRST` is shown on request."""

    cells: Sequence[Written]
    is_more: bool


@dataclass(frozen=True)
class ShownTable:
    """A table's heads and rows, or those of some of its columns."""

    heads: Sequence[ColumnHead]
    rows: Sequence[WrittenRow]
    part: str = ""
    """Which of its columns, in words, where there are others."""
    left_out: int = 0
    """So many rows are not shown."""

    @property
    def all_rows(self) -> int:
        """With those that are not shown."""
        return len(self.rows) + self.left_out

    @property
    def has_more(self) -> bool:
        """Whether there are rows that are shown on request only."""
        return len(self.rows) > ROWS_AT_FIRST


@dataclass(frozen=True)
class ShownExhibit:
    """An exhibit on a page."""

    id: str
    exhibit: Exhibit
    figure: Figure | None
    tables: Sequence[ShownTable]
    """One, or several with some of its columns each."""


def shown_exhibit(
    exhibit: Exhibit, id_: str = "exhibit", most_columns: int | None = None, most_rows: int | None = None
) -> ShownExhibit:
    """The exhibit; `id_` tells it from others on the page.

    most_columns: with more, the table is cut into several. most_rows: those after are left out, which the table says.
    """
    figure = exhibit.figure and replace(exhibit.figure, id=id_, ref="", tall=True, place="")
    table = shown_table(exhibit.table, most_rows)
    return ShownExhibit(id_, exhibit, figure, in_parts(table, most_columns) if most_columns else [table])


def in_parts(table: ShownTable, most_columns: int) -> list[ShownTable]:
    """The table cut between columns. Each part has those that tell its rows apart: texts in front, two at most."""
    texts = next((place for place, head in enumerate(table.heads) if head.is_number), 1)
    named, count = min(texts, 2, most_columns - 1), len(table.heads)
    if count <= most_columns:
        return [table]
    room = most_columns - named
    return [_part(table, named, start, min(start + room, count)) for start in range(named, count, room)]


def _part(table: ShownTable, named: int, start: int, end: int) -> ShownTable:
    def of(cells: Sequence[T]) -> list[T]:
        return [*cells[:named], *cells[start:end]]

    rows = [replace(row, cells=of(row.cells)) for row in table.rows]
    return replace(table, heads=of(table.heads), rows=rows, part=f"Columns {start + 1} to {end} of {len(table.heads)}")


def shown_table(table: PlainTable, most_rows: int | None = None) -> ShownTable:
    """A plain table in words, with so many rows: an estimate's interval and n stand in its cell."""
    shown = table.shown
    rows = [
        WrittenRow([_cell(row, column) for column in shown], number >= ROWS_AT_FIRST)
        for number, row in enumerate(table.rows[:most_rows])
    ]
    heads = [head_of({"kind": column.kind, "label": column.title}) for column in shown]
    return ShownTable(heads, rows, left_out=len(table.rows) - len(rows))


def _cell(row: Mapping[str, PlainValue], column: ShownColumn) -> Written:
    value, low, high, n = row.get(column.key), row.get(column.low), row.get(column.high), row.get(column.n)
    has_interval = low is not None and high is not None
    return Written(
        text=None if value is None else _text(value, column.kind),
        is_number=column.kind != "text",
        interval=f"[{_text(low, column.kind)}, {_text(high, column.kind)}]" if has_interval else "",
        n=whole(n) if isinstance(n, int) else "",
    )


def _text(value: PlainValue, kind: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return str(value) if value is None or isinstance(value, str) else write_number(value, kind)
