"""The table that is exported: what its columns mean, its rows, its words and where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

PlainKind = Literal["text", "number", "count", "share", "difference", "seconds", "tokens", "flops", "time", "yes_or_no"]
"""What a column's values are: a `share` is a fraction of 1, a `difference` one of two shares."""
PlainValue = str | int | float | bool | datetime | None
Part = Literal["", "low", "high", "n"]
ESTIMATED: tuple[Part, ...] = ("low", "high", "n")
MOST_CHARACTERS = 32_000
"""Of a text in a cell; a spreadsheet takes no more."""


@dataclass(frozen=True)
class PlainColumn:
    """One column."""

    key: str
    """Its name in CSV and Parquet, unique in the table."""
    title: str
    """What people read."""
    kind: PlainKind = "text"
    of: str = ""
    """The key of the estimate that it belongs to."""
    part: Part = ""
    """Which part of that estimate it is; LaTeX writes the parts into the estimate's own cell."""
    in_files_only: bool = False
    """Whether CSV and Parquet alone have it: a page and a paper have no room for everything."""


class ShownColumn(NamedTuple):
    """A column as it is read, with the keys of what stands beside its value; "" for what does not."""

    key: str
    title: str
    kind: PlainKind
    low: str
    high: str
    n: str


@dataclass(frozen=True)
class PlainTable:
    """A table, as it stood when it was asked for."""

    name: str
    """What its file is called, without the ending."""
    title: str
    columns: Sequence[PlainColumn]
    rows: Sequence[Mapping[str, PlainValue]]
    caption: str = ""
    came_from: Sequence[tuple[str, str]] = ()
    """What it was made from, as (what, which): ("run", "12, rpt"), ("code version", "a1b2c3")."""

    def values(self) -> list[list[PlainValue]]:
        """The rows' cells in the order of the columns; a text is cut where no spreadsheet would take it."""
        keys = [column.key for column in self.columns]
        return [[_short_enough(row.get(key)) for key in keys] for row in self.rows]

    @property
    def shown(self) -> list[ShownColumn]:
        """The columns that people read: an interval and n stand in the cell of their estimate."""
        parts = {(column.of, str(column.part)): column.key for column in self.columns if column.of}
        return [
            ShownColumn(one.key, one.title, one.kind, *(parts.get((one.key, part), "") for part in ESTIMATED))
            for one in self.columns
            if not one.of and not one.in_files_only
        ]


def estimate_columns(key: str, title: str, kind: PlainKind = "share") -> tuple[PlainColumn, ...]:
    """The columns of a value with its 95 % interval and n: key, key_low, key_high, key_n."""
    return (
        PlainColumn(key, title, kind),
        PlainColumn(f"{key}_low", f"{title}, 95 % low", kind, of=key, part="low"),
        PlainColumn(f"{key}_high", f"{title}, 95 % high", kind, of=key, part="high"),
        PlainColumn(f"{key}_n", f"{title}, n", "count", of=key, part="n"),
    )


def estimate_cells(
    key: str, value: float | None, low: float | None = None, high: float | None = None, n: int | None = None
) -> dict[str, PlainValue]:
    """The cells of `estimate_columns`."""
    return {key: value, f"{key}_low": low, f"{key}_high": high, f"{key}_n": n}


def _short_enough(value: PlainValue) -> PlainValue:
    return value[:MOST_CHARACTERS] if isinstance(value, str) else value
