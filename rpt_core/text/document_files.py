"""Documents of a checked corpus in one file, so that people can page through them and search.

In: documents as a corpus gives them. Out: a Parquet file with one row each, in row groups that fit into memory; pages
and hits by row. A row's number is its key. Loads pyarrow, but neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rpt_core.files import written_whole

GROUP_ROWS, GROUP_CHARACTERS = 256, 4_000_000
"""A row group is full at one of these."""
OPENING_CHARACTERS = 240
SEARCHED_CHARACTERS = 8_000_000
"""So much text is searched at one go: a small part of a second, so that a page shows what it has found."""
AROUND = 60
"""Characters shown before and after a hit."""
_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("file", pa.string()),
        ("side", pa.string()),
        ("characters", pa.int64()),
        ("opening", pa.string()),
        ("text", pa.large_string()),
        ("solution_start", pa.int64()),
        ("domain", pa.string()),
        ("difficulty", pa.string()),
        ("answer", pa.string()),
    ]
)
_LISTED = ["id", "file", "side", "characters", "opening", "domain", "difficulty"]


class Text(Protocol):
    """What a document has."""

    @property
    def id(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def solution_start(self) -> int: ...
    @property
    def domain(self) -> str: ...
    @property
    def difficulty(self) -> str: ...
    @property
    def answer(self) -> str: ...


@dataclass
class DocumentWriter:
    """Adds documents one after another."""

    _file: Any
    rows: int = 0
    characters: int = 0
    _waiting: list[dict[str, Any]] = field(default_factory=list)
    _waiting_characters: int = 0

    def add(self, document: Text, side: str, file: str) -> None:
        """One more; `side` is train or validation."""
        row = {
            name: getattr(document, name) for name in ("id", "text", "solution_start", "domain", "difficulty", "answer")
        }
        size = len(document.text)
        self._waiting.append(
            row | {"file": file, "side": side, "characters": size, "opening": document.text[:OPENING_CHARACTERS]}
        )
        self.rows += 1
        self.characters += size
        self._waiting_characters += size
        if len(self._waiting) >= GROUP_ROWS or self._waiting_characters >= GROUP_CHARACTERS:
            self.flush()

    def flush(self) -> None:
        """Write what waits as one row group."""
        if self._waiting:
            self._file.write_table(pa.Table.from_pylist(self._waiting, schema=_SCHEMA), row_group_size=GROUP_ROWS)
        self._waiting, self._waiting_characters = [], 0


@contextmanager
def written_documents(path: Path) -> Iterator[DocumentWriter]:
    """A writer for the block; the file is there whole, or not at all."""
    with written_whole(path) as partial, pq.ParquetWriter(partial, _SCHEMA, compression="zstd") as file:
        writer = DocumentWriter(file)
        yield writer
        writer.flush()


@dataclass(frozen=True)
class Listed:
    """A document in a list."""

    row: int
    id: str
    file: str
    side: str
    characters: int
    opening: str
    """Its first characters, or those around a hit."""
    domain: str
    difficulty: str


@dataclass(frozen=True)
class Part:
    """A part of the list."""

    documents: Sequence[Listed]
    next: int | None
    """The row after which the list goes on; None at its end."""
    searched: int
    """Rows that have been looked at so far, of all."""
    total: int


def part_of(path: Path, after: int = -1, limit: int = 50, side: str = "", words: str = "") -> Part:
    """The documents after a row, of one side or all, that hold the words in any case.

    A search stops after SEARCHED_CHARACTERS; `next` then says where it goes on, also when it has found nothing.
    """
    found: list[Listed] = []
    looked = 0
    with pq.ParquetFile(path) as file:
        total = file.metadata.num_rows
        for group, first in _groups(file, after + 1):
            if looked >= SEARCHED_CHARACTERS:
                return Part(found, first - 1, first, total)
            hits, characters = _hits(file, group, first, after, side, words)
            looked += characters
            if len(found) + len(hits) > limit:
                found += _listed(file, group, first, hits[: limit - len(found)], words)
                return Part(found, found[-1].row, found[-1].row + 1, total)
            found += _listed(file, group, first, hits, words)
    return Part(found, None, total, total)


def document_at(path: Path, row: int) -> dict[str, Any] | None:
    """All of one document; None when there is no such row."""
    with pq.ParquetFile(path) as file:
        if not 0 <= row < file.metadata.num_rows:
            return None
        group, first = next(_groups(file, row))
        (found,) = file.read_row_group(group).slice(row - first, 1).to_pylist()
    return dict(found) | {"row": row}


def each_text(path: Path) -> Iterator[tuple[str, str, int]]:
    """Side, text, and where the solution begins, of all documents in their order."""
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=["side", "text", "solution_start"])
            yield from zip(*(table[name].to_pylist() for name in ("side", "text", "solution_start")), strict=True)


def _groups(file: Any, row: int) -> Iterator[tuple[int, int]]:
    """Each row group from the one with a row on, and its first row."""
    first = 0
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        if first + rows > row:
            yield group, first
        first += rows


def _hits(
    file: pq.ParquetFile, group: int, first: int, after: int, side: str, words: str
) -> tuple[Sequence[tuple[int, str]], int]:
    """The places in a row group of what fits, each with its text in a search, and how many characters were searched.

    Of what does not fit no more is read than it takes to know that: most row groups of a search have no hit.
    """
    names = ["side", *(["characters", "text"] if words else [])]
    table = file.read_row_group(group, columns=names, use_threads=False)
    characters = pc.sum(table["characters"]).as_py() if words else 0
    table = table.append_column("place", pa.array(range(table.num_rows), pa.int64())).slice(max(after + 1 - first, 0))
    if side:
        table = table.filter(pc.equal(table["side"], side))
    if words:
        table = table.filter(pc.match_substring(table["text"], words, ignore_case=True))
    texts = table["text"].to_pylist() if words else [""] * table.num_rows
    return list(zip(table["place"].to_pylist(), texts, strict=True)), characters


def _listed(file: pq.ParquetFile, group: int, first: int, hits: Sequence[tuple[int, str]], words: str) -> list[Listed]:
    """The documents at these places of a row group."""
    if not hits:
        return []
    places, texts = zip(*hits, strict=True)
    records = file.read_row_group(group, columns=_LISTED, use_threads=False).take(list(places)).to_pylist()
    return [
        Listed(row=first + place, **record | ({"opening": around(text, words)} if words else {}))
        for place, text, record in zip(places, texts, records, strict=True)
    ]


def around(text: str, words: str) -> str:
    """What stands around the first place of the words; the beginning where the case of letters hides it."""
    place = max(0, text.lower().find(words.lower()))
    start, end = max(0, place - AROUND), place + len(words) + 2 * AROUND
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"
