"""The positions behind a number of a comparison: which changed sides between two evaluations, page by page.

In: a stored comparison, two of its entries, filters. Out: rows, and counts by domain. Reads what the job has stored, no
run's folder.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from rpt_web.compare.models import PositionComparison

CELLS = {
    "gained": "gained: only the second is right",
    "forgotten": "forgotten: only the first is right",
    "both": "both are right",
    "neither": "neither is right",
}
_CELL_OF = {(False, True): "gained", (True, False): "forgotten", (True, True): "both", (False, False): "neither"}


@dataclass(frozen=True)
class PositionFilters:
    """Which positions are wanted; "" for all."""

    difficulty: str
    cell: str = ""
    domain: str | None = None
    type: str = ""
    length: str = ""

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
        cell=_CELL_OF[a["right"], b["right"]],
        value_a=a["value"],
        value_b=b["value"],
        prediction_a=a["prediction"],
        prediction_b=b["prediction"],
    )
