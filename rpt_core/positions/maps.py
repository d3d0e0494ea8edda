"""Documents of a filter run one by one, as pages show them: a list with counts, and one document with its tokens.

In: a split's file of scored documents. Out: lines of a list, or a `DocumentMap`. Documents are named by their row. Only
the row group that holds what is asked for is read, and of it only the columns that are needed. Files of earlier
versions have no highest probabilities. Loads without torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rpt_core.arrays import Floats, Indices
from rpt_core.run.folder import positions_file

FILES_KEPT = 4
"""Of those that were read last, in each process: where their row groups are, and the names of their documents. Whoever
looks for one document looks for others."""
GROUPS_OF_LINES_KEPT = 32
"""Row groups whose lines were read last: one has those of several pages, and its longest document takes most time."""
MOST_GROUPS_ALONE = 16
"""Row groups that may hold a name, up to which they alone are read: each costs by itself."""
_PROBABILITIES = "highest_probabilities"
_HASH = b"tokenizer_hash"
_LISTED = ("document", "domain", "candidates_from", "entropies", "kept")


@dataclass(frozen=True)
class DocumentLine:
    """A document in a list."""

    row: int
    id: str
    domain: str
    tokens: int
    positions: int
    """Tokens that may be predicted."""
    kept: int
    """Those that the run chose."""
    mean_nats: float | None
    """Mean entropy of its positions; None without any."""


@dataclass(frozen=True, eq=False)
class DocumentMap:
    """A document with its tokens; arrays have one value for each. It is equal to itself alone."""

    row: int
    id: str
    domain: str
    text: bytes
    token_ids: npt.NDArray[np.int32]
    byte_offsets: Indices
    """Where tokens begin, and the end of the text: one value more than tokens."""
    entropies: Floats
    """Nats; NaN where nothing is predicted."""
    highest_probabilities: Floats | None
    """None in files of earlier versions."""
    candidates_from: int
    kept: Indices
    """Tokens that the run chose."""

    @property
    def tokens(self) -> int:
        """How many tokens it has."""
        return len(self.token_ids)

    def piece(self, token: int) -> bytes:
        """The bytes of a token."""
        return self.text[self.byte_offsets[token] : self.byte_offsets[token + 1]]

    @cached_property
    def positions(self) -> Indices:
        """Tokens that may be predicted, ascending."""
        found = np.arange(self.candidates_from, self.tokens)
        return found[np.isfinite(self.entropies[found])]

    @cached_property
    def ranks(self) -> Indices:
        """Each token's place among the document's positions: 1 is the most uncertain; 0 for what is no position."""
        values = self.entropies[self.positions]
        ranks = np.zeros(self.tokens, np.int64)
        ranks[self.positions] = 1 + len(values) - np.searchsorted(np.sort(values), values, side="right")
        return ranks


def tokenizer_of(positions_dir: Path | str, split: str = "train") -> str:
    """The hash of the tokenizer whose tokens a split's file counts; empty where that is not known."""
    try:
        metadata = pq.read_schema(positions_file(positions_dir, split)).metadata or {}
    except (OSError, ValueError):
        return ""
    return str(metadata.get(_HASH, b"").decode())


class PositionsFile:
    """A split's scored documents on disk."""

    def __init__(self, positions_dir: Path | str, split: str) -> None:
        """Raises OSError without the file, and ValueError for one that is none."""
        self._path = positions_file(positions_dir, split)
        found = self._path.stat()
        self._version = found.st_mtime_ns, found.st_size
        self._metadata, self._ends = _row_groups(self._path, self._version)

    @cached_property
    def _file(self) -> pq.ParquetFile:
        return pq.ParquetFile(self._path, metadata=self._metadata)

    @property
    def documents(self) -> int:
        """How many documents there are."""
        return int(self._metadata.num_rows)

    def lines(self, start: int, count: int) -> list[DocumentLine]:
        """Some documents from a row on, in the order of the corpus."""
        found: list[DocumentLine] = []
        while len(found) < count and start + len(found) < self.documents:
            row = start + len(found)
            group, first = self._group_of(row)
            lines = _lines(self._path, self._version, group)
            found += lines[row - first : row - first + count - len(found)]
        return found

    def row_of(self, document: str) -> int | None:
        """The row of a document by its id. Names in order are found by the ends of row groups."""
        groups = self._groups_that_may_hold(document)
        if len(groups) > MOST_GROUPS_ALONE:
            return _place(_names(self._path, self._version), document)
        for group in groups:
            table = self._file.read_row_group(group, columns=["document"], use_threads=False)
            place = _place(table.column(0), document)
            if place is not None:
                return place + (int(self._ends[group - 1]) if group else 0)
        return None

    def _groups_that_may_hold(self, document: str) -> list[int]:
        column = self._file.schema_arrow.get_field_index("document")  # no list stands before it
        metadata = self._metadata
        found = []
        for group in range(metadata.num_row_groups):
            ends = metadata.row_group(group).column(column).statistics
            if ends is None or not ends.has_min_max or ends.min <= document <= ends.max:
                found.append(group)
        return found

    def document(self, row: int) -> DocumentMap:
        """One document. Raises IndexError when there is none at this row."""
        if not 0 <= row < self.documents:
            raise IndexError(row)
        group, first = self._group_of(row)
        table = self._file.read_row_group(group).slice(row - first, 1)
        values = {name: table.column(name)[0] for name in table.schema.names}
        highest = values.get(_PROBABILITIES)
        return DocumentMap(
            row=row,
            id=values["document"].as_py(),
            domain=values["domain"].as_py() or "",
            text=values["text"].as_py().encode(),
            token_ids=_array(values["token_ids"]),
            byte_offsets=_array(values["byte_offsets"]),
            entropies=_array(values["entropies"]),
            highest_probabilities=_array(highest) if highest is not None and highest.is_valid else None,
            candidates_from=values["candidates_from"].as_py(),
            kept=_array(values["kept"]).astype(np.int64),
        )

    def _group_of(self, row: int) -> tuple[int, int]:
        """The row group of a row, and the first row of that group."""
        group = int(np.searchsorted(self._ends, row, side="right"))
        return group, int(self._ends[group - 1]) if group else 0


@lru_cache(FILES_KEPT)
def _row_groups(path: Path, version: tuple[int, int]) -> tuple[pq.FileMetaData, Indices]:
    """What the end of a file says of its row groups, and the rows at which they end; `version` changes when the file is
    replaced."""
    metadata = pq.read_metadata(path)
    return metadata, np.cumsum([metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)], dtype=np.int64)


@lru_cache(FILES_KEPT)
def _names(path: Path, version: tuple[int, int]) -> pa.ChunkedArray:
    """All names of a file, some bytes each; `version` changes when the file is replaced."""
    return pq.ParquetFile(path).read(columns=["document"], use_threads=False).column(0).combine_chunks()


def _place(names: pa.ChunkedArray, document: str) -> int | None:
    place = int(pc.index(names, document).as_py())
    return place if place >= 0 else None


@lru_cache(GROUPS_OF_LINES_KEPT)
def _lines(path: Path, version: tuple[int, int], group: int) -> tuple[DocumentLine, ...]:
    """The lines of a row group; `version` changes when the file is replaced."""
    metadata, ends = _row_groups(path, version)
    with pq.ParquetFile(path, metadata=metadata) as file:
        table = file.read_row_group(group, columns=list(_LISTED), use_threads=False)
    first = int(ends[group]) - table.num_rows
    lists = table.column("entropies").combine_chunks()
    values, bounds = lists.values.to_numpy(zero_copy_only=False), lists.offsets.to_numpy()
    kept = pc.list_value_length(table.column("kept")).to_pylist()
    columns = zip(*(table.column(name).to_pylist() for name in ("document", "domain", "candidates_from")), strict=True)
    return tuple(_line(first + n, own, values[bounds[n] : bounds[n + 1]], kept[n]) for n, own in enumerate(columns))


def _line(row: int, own: tuple[str, str | None, int], entropies: Floats, kept: int) -> DocumentLine:
    document, domain, candidates_from = own
    found = entropies[candidates_from:]
    found = found[np.isfinite(found)]
    return DocumentLine(
        row=row,
        id=document,
        domain=domain or "",
        tokens=len(entropies),
        positions=len(found),
        kept=kept,
        mean_nats=float(found.mean()) if len(found) else None,
    )


def _array(scalar: Any) -> Any:
    """A list's values as numpy has them; a copy, so that the rest of the row group is not kept with them."""
    return scalar.values.to_numpy(zero_copy_only=False).copy()
