"""The positions behind a number of a comparison: which changed sides between two evaluations, page by page.

In: a stored comparison, two of its entries, filters. Out: rows, and counts by domain. Reads what the job has stored, no
run's folder.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self
from urllib.parse import urlencode

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rpt_core.errors import UserError
from rpt_web.compare.models import PositionComparison

CELLS = {
    "gained": "gained: only the second is right",
    "forgotten": "forgotten: only the first is right",
    "both": "both are right",
    "neither": "neither is right",
}
_CELLS = ("neither", "gained", "forgotten", "both")
"""By two bits: whether the first is right, whether the second is."""
_KNOWN = pa.schema(
    [
        *((name, pa.string()) for name in ("document", "domain", "type", "length")),
        *(("byte_offset", pa.int64()), ("entropy_nats", pa.float64()), ("next_token", pa.binary())),
    ]
)
_SIDE = pa.schema([("place", pa.int64()), ("right", pa.bool_()), ("value", pa.float64()), ("prediction", pa.binary())])
"""What is read of a comparison that has lost one of its evaluations: nothing, in these columns."""
POSITION_IDS = "position_ids"
"""Column of an evaluation's outcomes: the ids of the positions of texts at which its groups were."""
SHOWN = ("place", "right", "value", "prediction")
"""Columns of an evaluation's outcomes that pages show."""


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
        levels, level, cell = comparison.levels, query.get("difficulty", ""), query.get("cell", "")
        return cls(
            level if level in levels else levels[-1],
            cell if cell in CELLS else "",
            query.get("domain"),
            query.get("type", ""),
            query.get("length", ""),
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


class ComparedColumns:
    """The positions of a difficulty that two evaluations have, in the random order of the evaluations.

    They stay columns until somebody asks for some of them: a page shows fifty of ten thousand.
    """

    def __init__(
        self,
        known: Callable[[], bytes],
        first: bytes | None,
        second: bytes | None,
        difficulty: str,
        wanted: Sequence[str] = SHOWN,
    ) -> None:
        """`known` is asked for what does not depend on an evaluation, once that is needed. wanted: of the outcomes."""
        is_whole = first is not None and second is not None
        sides = [_of_level(content if is_whole else None, difficulty, wanted) for content in (first, second)]
        a, b = (side["place"].to_numpy() for side in sides)
        self.place, *rows = np.intersect1d(a, b, assume_unique=True, return_indices=True)
        self._read = known
        self._sides = [side.take(own) for side, own in zip(sides, rows, strict=True)]
        right = [side["right"].to_numpy() for side in self._sides]
        self._cell = 2 * right[0].astype(np.int8) + right[1]

    def __len__(self) -> int:
        return len(self.place)

    @cached_property
    def _stored(self) -> bytes:
        return self._read()

    def _known(self, places: npt.NDArray[np.int64], names: Sequence[str] | None = None) -> Any:
        """Columns of what does not depend on an evaluation, at some places."""
        return _table(self._stored, names).take(places) if len(self) else _KNOWN.empty_table()

    def kept(self, filters: PositionFilters, cell: str = "") -> npt.NDArray[np.bool_]:
        """Which of them are wanted, in a cell or in any."""
        flags = np.ones(len(self), np.bool_) if not cell else self._cell == _CELLS.index(cell)
        for name in ("domain", "type", "length"):
            value = getattr(filters, name)
            if value or (name == "domain" and value is not None):
                flags &= pc.equal(self._known(self.place, [name])[name], value).to_numpy()
        return flags

    def cells(self, flags: npt.NDArray[np.bool_]) -> dict[str, int]:
        """How many of these are in each cell of the 2x2."""
        return self._counted(self._cell[flags])

    def by_domain(self) -> list[tuple[str, dict[str, int]]]:
        """The cells of each domain, by name."""
        domains = self._known(self.place, ["domain"])["domain"].combine_chunks().dictionary_encode()
        codes = domains.indices.to_numpy()
        named = enumerate(domains.dictionary.to_pylist())
        return sorted((name, self._counted(self._cell[codes == code])) for code, name in named)

    def names(self, flags: npt.NDArray[np.bool_]) -> list[tuple[str, int]]:
        """Document and byte of each."""
        chosen = self._known(self.place[flags], ["document", "byte_offset"])
        return list(zip(chosen["document"].to_pylist(), chosen["byte_offset"].to_pylist(), strict=True))

    def ids(self, flags: npt.NDArray[np.bool_]) -> list[int] | None:
        """Ids of the positions of texts (`CorpusPosition`) at which the groups of the two evaluations were, each once;
        None where the job did not look for them, as in earlier versions."""
        if any(POSITION_IDS not in side.column_names for side in self._sides):
            return None
        found = [pc.list_flatten(side[POSITION_IDS].filter(pa.array(flags))).to_numpy() for side in self._sides]
        ids: list[int] = np.unique(np.concatenate(found)).tolist()
        return ids

    def rows(
        self, flags: npt.NDArray[np.bool_], after: int | None = None, limit: int | None = None
    ) -> list[ComparedPosition]:
        """Some of them, after a place, at most so many."""
        chosen = np.flatnonzero(flags if after is None else flags & (self.place > after))[:limit]
        places = self.place[chosen]
        tables = (self._known(places), *(side.take(chosen) for side in self._sides))
        known, a, b = (table.to_pylist() for table in tables)
        cells = (_CELLS[code] for code in self._cell[chosen].tolist())
        return [_row(*values) for values in zip(places.tolist(), cells, known, a, b, strict=True)]

    def _counted(self, cells: npt.NDArray[np.int8]) -> dict[str, int]:
        counts = np.bincount(cells, minlength=len(_CELLS)).tolist()
        return {cell: counts[_CELLS.index(cell)] for cell in CELLS}


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

    def columns(self, wanted: Sequence[str] = SHOWN) -> ComparedColumns:
        """All positions of its difficulty that both have (1 query)."""
        outcomes = self.comparison.outcomes.filter(place__in={self.a, self.b})
        found = {place: bytes(rows) for place, rows in outcomes.values_list("place", "rows")}
        level = self.filters.difficulty
        return ComparedColumns(self._positions, found.get(self.a), found.get(self.b), level, wanted)

    def _positions(self) -> bytes:
        content = self.comparison.positions
        assert content is not None  # stored together with the outcomes
        return bytes(content)

    def positions(self) -> list[ComparedPosition]:
        """Those that its filters keep, in the random order of the evaluations (1 query)."""
        columns = self.columns()
        return columns.rows(columns.kept(self.filters, self.filters.cell))

    def places(self) -> list[tuple[str, int]]:
        """Document and byte of the same, in the same order: a list of traces asks for no more (1 query)."""
        columns = self.columns()
        return columns.names(columns.kept(self.filters, self.filters.cell))

    def stored_ids(self) -> list[int] | None:
        """Ids of their positions of texts, as `ComparedColumns.ids` has them (1 query)."""
        columns = self.columns(("place", "right", POSITION_IDS))
        return columns.ids(columns.kept(self.filters, self.filters.cell))


def _table(content: bytes, columns: Sequence[str] | None = None) -> Any:
    """Columns of a table as the job has stored it, those that there are; `pq.read_table` takes far longer for its
    search of data sets."""
    return pq.ParquetFile(io.BytesIO(content)).read(columns=columns and list(columns), use_threads=False)


def _of_level(content: bytes | None, difficulty: str, wanted: Sequence[str]) -> Any:
    """What an evaluation has of a difficulty."""
    level = f"level_{difficulty}"
    table = _SIDE.empty_table() if content is None else _table(content, [*wanted, level])
    return table.filter(table[level]).drop_columns([level]) if level in table.column_names else _SIDE.empty_table()


def _place(value: str | None, default: int) -> int:
    return int(value) if value and value.isdecimal() and len(value) < 10 else default


def _row(
    place: int, cell: str, known: Mapping[str, Any], a: Mapping[str, Any], b: Mapping[str, Any]
) -> ComparedPosition:
    return ComparedPosition(
        place=place,
        **{
            name: known[name]
            for name in ("document", "byte_offset", "domain", "type", "length", "entropy_nats", "next_token")
        },
        text_hash=known.get("text_hash"),  # comparisons that were made before it was stored are still opened
        cell=cell,
        value_a=a["value"],
        value_b=b["value"],
        prediction_a=a["prediction"],
        prediction_b=b["prediction"],
    )
