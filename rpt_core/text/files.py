"""Files of records: which kind each is, and whether it can be what it seems.

In: a path. Out: its kind by its ending; a UserError that names the file when its first and last bytes show that it is
something else (a Git LFS pointer, a Parquet file without its end). Such a file is no bad record: nobody knows how many
records it had.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rpt_core.errors import UserError, said
from rpt_core.text.opening import ENDINGS as PACKED

KINDS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".txt": "text",
}
"""File ending -> kind of file."""
RECORD_KINDS = ("jsonl", "json", "csv", "parquet", "arrow")
"""Kinds that hold records with fields."""
_TABLES = ("parquet", "arrow")
"""Kinds that compress by themselves and are read from several places: packed once more, they are not read."""
_FETCH = "Fetch or write it again, or leave it out of `paths`."
_LFS = "a Git LFS pointer instead of the data. Fetch the data with `git lfs pull`, or download it."
_WEB_PAGE = "a web page instead of the data. Download the file itself."
_POINTERS = {
    b"version https://git-lfs": _LFS,
    b"version https://hawser": _LFS,
    b"# xet version": "a Xet pointer instead of the data. Download the data.",
    b"/annex/objects/": "a git-annex pointer instead of the data. Fetch the data with `git annex get`.",
}
"""First bytes of what stands where the data should be."""
_WEB_PAGES = (b"<!doctype html", b"<html")
_PARQUET = (b"PAR1", b"PARE")
"""First and last bytes of Parquet files, and of encrypted ones."""


@dataclass(frozen=True)
class DataFile:
    """A file to read."""

    path: Path
    kind: str
    name: str
    """Its path within the folder that was named, or the file's name where it was named itself."""


def kind_of(path: Path) -> str | None:
    """A file's kind by its ending, that of a compression may follow; None for an unknown ending."""
    name = path.name.lower()
    packed = next((ending for ending in PACKED if name.endswith(ending)), "")
    kind = KINDS.get(Path(name.removesuffix(packed)).suffix)
    return None if packed and kind in _TABLES else kind


def record_file(path: Path) -> DataFile:
    """The file of records at a path, by its ending, and as JSON lines where that says nothing.

    Raises UserError as `refuse_broken` does.
    """
    kind = kind_of(path)
    file = DataFile(path, kind if kind in RECORD_KINDS else "jsonl", path.name)
    refuse_broken(file)
    return file


def refuse_broken(file: DataFile) -> None:
    """Raise UserError when a file's first and last bytes show that it is not what it seems, or cannot be opened."""
    try:
        with file.path.open("rb") as stream:
            head, tail = stream.read(64), _tail(stream)
    except Exception as error:
        raise UserError(unreadable(file.path, error)) from error
    if (other := stands_for_data(head, file.kind == "text")) is not None:
        raise UserError(f"{file.path} is {other}")
    if file.kind in (*_TABLES, "json") and not head:
        raise UserError(f"{file.path} is empty (0 bytes). {_FETCH}")
    if file.kind == "parquet" and not (head[:4] in _PARQUET and tail in _PARQUET):
        raise UserError(
            f"{file.path} is not a complete Parquet file: its beginning or its end is missing. It was cut off, or is "
            f"another kind of file. {_FETCH}"
        )


def stands_for_data(head: bytes, may_be_web_page: bool = False) -> str | None:
    """What stands where a file's data should be, and what to do, by its first bytes; None where it may be the data."""
    start = head.lower().lstrip()
    pointer = next((words for mark, words in _POINTERS.items() if start.startswith(mark)), None)
    return pointer or (_WEB_PAGE if start.startswith(_WEB_PAGES) and not may_be_web_page else None)


def unreadable(path: Path, error: Exception, part: str = "") -> str:
    """What to say of a file, or of a part of it such as `row group 2 of 5`, that an error kept from being read."""
    return f"{path} cannot be read{f' at {part}' if part else ''}: {said(error)}. {_FETCH}"


def _tail(stream: BinaryIO) -> bytes:
    stream.seek(max(0, stream.seek(0, os.SEEK_END) - 4))
    return stream.read()
