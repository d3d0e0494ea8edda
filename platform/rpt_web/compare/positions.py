"""The positions behind a number of a comparison: which changed sides between two evaluations, page by page.

In: a stored comparison, two of its entries, filters. Out: rows, and counts by domain. Reads what the job has stored, no
run's folder.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from rpt_core.errors import UserError
from rpt_web.compare.models import PositionComparison

CELLS = {
    "gained": "gained: only the second is right",
    "forgotten": "forgotten: only the first is right",
    "both": "both are right",
    "neither": "neither is right",
}
_CELL_OF = {(False, True): "gained", (True, False): "forgotten", (True, True): "both", (False, False): "neither"}

PLACE_COLUMNS = ["document", "byte_offset", "domain", "type", "length"]


@dataclass(frozen=True)
class PositionFilters:
    """Which positions are wanted; "" for all."""

    difficulty: str
    cell: str = ""
    domain: str | None = None
    type: str = ""
    length: str = ""

    @classmethod
    def from_query(cls, comparison: PositionComparison, query: Mapping[str, str]) -> Self:
        """As an address has them; a value that the comparison has not is left out, and it is its hardest level."""
        levels, level, cell = comparison.data["levels"], query.get("difficulty", ""), query.get("cell", "")
        return cls(
            level if level in levels else levels[-1],
            cell if cell in CELLS else "",
            query.get("domain"),
            query.get("type", ""),
            query.get("length", ""),
        )

    def keeps(self, row: ComparedPosition) -> bool:
        """Whether a position is wanted, its cell aside."""
        return (
            (self.domain is None or row.domain == self.domain)
            and self.type in ("", row.type)
            and self.length in ("", row.length)
        )


@dataclass(frozen=True)
class ComparedPosition:
    """A position with what two evaluations made of it."""

    place: int
    document: str
    byte_offset: int
    text_hash: bytes | None
    """What the document's text is known by in every run; None where no evaluation of the comparison tells."""
    domain: str
    type: str
    length: str
    entropy_nats: float | None
    next_token: bytes
    cell: str
    value_a: float
    value_b: float
    prediction_a: bytes | None
    prediction_b: bytes | None


def compared_positions(comparison: PositionComparison, a: int, b: int, difficulty: str) -> list[ComparedPosition]:
    """All positions of a difficulty that both entries have, in the random order of the evaluations (2 queries)."""
    found = dict(comparison.outcomes.filter(place__in={a, b}).values_list("place", "rows"))
    if a not in found or b not in found or not comparison.positions:
        return []
    first, second = (_by_place(bytes(found[place]), difficulty) for place in (a, b))
    known = _read(bytes(comparison.positions))
    common = sorted(first.keys() & second.keys())
    return [_row(place, known[place], first[place], second[place]) for place in common]


@dataclass(frozen=True)
class ComparedSet:
    """What the page of a comparison's positions shows: two entries by their places, and filters."""

    comparison: PositionComparison
    a: int
    b: int
    filters: PositionFilters

    @classmethod
    def from_query(cls, comparison: PositionComparison, query: Mapping[str, str]) -> Self:
        """As the page's address has it, by default the first two entries. Raises UserError for entries it has not."""
        a, b = (_place(query.get(name), default) for name, default in (("a", 0), ("b", 1)))
        if max(a, b) >= len(comparison.entries) or a == b:
            raise UserError("This comparison has no such two evaluations. Open it again and press one of its numbers.")
        return cls(comparison, a, b, PositionFilters.from_query(comparison, query))

    def query(self) -> str:
        """The same as part of an address."""
        asked = {name: getattr(self.filters, name) for name in ("difficulty", "cell", "domain", "type", "length")}
        kept = {name: value for name, value in asked.items() if value or (name == "domain" and value is not None)}
        return urlencode({"a": self.a, "b": self.b, **kept})

    def positions(self) -> list[ComparedPosition]:
        """Those that its filters keep, in the random order of the evaluations (2 queries)."""
        every = compared_positions(self.comparison, self.a, self.b, self.filters.difficulty)
        return [one for one in every if self.filters.keeps(one) and self.filters.cell in ("", one.cell)]

    def places(self) -> list[tuple[str, int]]:
        """Document and byte of the same, in the same order, read column by column: a list of traces asks for no more of
        ten thousand positions (2 queries)."""
        found = dict(self.comparison.outcomes.filter(place__in={self.a, self.b}).values_list("place", "rows"))
        if self.a not in found or self.b not in found or not self.comparison.positions:
            return []
        (first, right_a), (second, right_b) = (
            _rights(bytes(found[place]), self.filters.difficulty) for place in (self.a, self.b)
        )
        common, in_a, in_b = np.intersect1d(first, second, assume_unique=True, return_indices=True)
        if self.filters.cell:
            wanted = next(sides for sides, cell in _CELL_OF.items() if cell == self.filters.cell)
            common = common[(right_a[in_a] == wanted[0]) & (right_b[in_b] == wanted[1])]
        known = pq.read_table(io.BytesIO(bytes(self.comparison.positions)), columns=PLACE_COLUMNS).take(common)
        kept = np.ones(len(common), np.bool_)
        for name in ("domain", "type", "length"):
            value = getattr(self.filters, name)
            if value is not None and (value or name == "domain"):
                kept &= np.array(known[name].to_pylist(), np.object_) == value
        documents, offsets = known["document"].to_pylist(), known["byte_offset"].to_pylist()
        return [(documents[place], offsets[place]) for place in np.flatnonzero(kept).tolist()]


def _rights(content: bytes, difficulty: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The places of a difficulty that an evaluation has, and whether each is right."""
    table = pq.read_table(io.BytesIO(content))
    level = f"level_{difficulty}"
    if level not in table.column_names:
        return np.empty(0, np.int64), np.empty(0, np.bool_)
    flags = table[level].to_numpy()
    return table["place"].to_numpy()[flags], table["right"].to_numpy()[flags]


def _place(value: str | None, default: int) -> int:
    return int(value) if value and value.isdecimal() and len(value) < 10 else default


def cell_counts(rows: Sequence[ComparedPosition]) -> dict[str, int]:
    """How many are in each cell of the 2x2."""
    counts = Counter(row.cell for row in rows)
    return {cell: counts[cell] for cell in CELLS}


def by_domain(rows: Sequence[ComparedPosition]) -> list[tuple[str, dict[str, int]]]:
    """The cells of each domain, by name."""
    domains = sorted({row.domain for row in rows})
    return [(domain, cell_counts([row for row in rows if row.domain == domain])) for domain in domains]


def _by_place(content: bytes, difficulty: str) -> dict[int, Mapping[str, Any]]:
    rows = _read(content)
    return {row["place"]: row for row in rows if row.get(f"level_{difficulty}")}


def _read(content: bytes) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(content)).to_pylist()
    return rows


def _row(place: int, known: Mapping[str, Any], a: Mapping[str, Any], b: Mapping[str, Any]) -> ComparedPosition:
    return ComparedPosition(
        place=place,
        **{
            name: known[name]
            for name in ("document", "byte_offset", "domain", "type", "length", "entropy_nats", "next_token")
        },
        text_hash=known.get("text_hash"),  # comparisons that were made before it was stored are still opened
        cell=_CELL_OF[a["right"], b["right"]],
        value_a=a["value"],
        value_b=b["value"],
        prediction_a=a["prediction"],
        prediction_b=b["prediction"],
    )
