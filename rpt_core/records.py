"""Records of JSONL, Parquet and plain text files: read as streams, with bad ones counted and named by file and line.

In: paths, the names of the fields that are needed. Out: numbered records as plain dictionaries, and what a caller makes
of them. A record that cannot be used is rejected into a `Tally` and does not end the reading; too many of them do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from rpt_core.errors import UserError
from rpt_core.words import counted

MAX_NAMED = 100
"""So many bad records are named; all are counted."""
FORMATS = {".jsonl": "jsonl", ".parquet": "parquet", ".txt": "text"}
"""File ending -> format."""
_BOM = b"\xef\xbb\xbf"
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class BadRecord:
    """A record that cannot be used. `line` is the line of a text file or the row of a Parquet file, from 1."""

    file: str
    line: int
    problem: str


@dataclass
class Tally:
    """What has been read so far."""

    records: int = 0
    bad: int = 0
    duplicates: int = 0
    """Records left out because their id had been read before."""
    bad_records: list[BadRecord] = field(default_factory=list)
    """The first MAX_NAMED of them."""

    def reject(self, record: BadRecord) -> None:
        """Count a bad record."""
        self.bad += 1
        if len(self.bad_records) < MAX_NAMED:
            self.bad_records.append(record)

    def check(self, max_bad_share: float) -> None:
        """Raise UserError when too many of the records are bad."""
        if self.bad and self.bad > max_bad_share * self.records:
            named = "; ".join(f"{record.file}:{record.line}: {record.problem}" for record in self.bad_records[:5])
            raise UserError(
                f"Unusable: {self.bad} of {counted(self.records, 'record')}, more than the allowed share of "
                f"{max_bad_share:g}. First ones: {named}. Mend them, correct `mapping`, or raise `max_bad_share`."
            )


class Unusable(Exception):
    """A record has nothing usable in it; the message says why."""


Numbered = Iterator[tuple[int, dict[str, Any] | Unusable]]
"""Records with their line; an `Unusable` stands for one that could not be read."""


def usable(source: str, records: Numbered, tally: Tally, make: Callable[[dict[str, Any]], _Made]) -> Iterator[_Made]:
    """What `make` makes of each record. It raises `Unusable` for a bad one, which goes to the tally."""
    for line, record in records:
        tally.records += 1
        try:
            if isinstance(record, Unusable):
                raise record
            yield make(record)
        except Unusable as problem:
            tally.reject(BadRecord(source, line, str(problem)))


def find_files(paths: Iterable[str], format_: str = "auto", formats: Sequence[str] = tuple(FORMATS)) -> list[Path]:
    """The files to read, folders opened, in a fixed order. `formats` are the endings that the caller understands.

    Raises UserError for what does not exist, for folders without files, and, when the format goes by a file's ending,
    for other endings.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise UserError(f"{path} does not exist. Name existing files or folders in `paths`.")
        files += _inside(path, format_, formats) if path.is_dir() else [path]
    unknown = [path for path in files if format_ == "auto" and path.suffix.lower() not in formats]
    if unknown:
        raise UserError(
            f"The format of {unknown[0]} is unknown. Rename it to end in {', '.join(formats)}, or convert it."
        )
    return files


def read_records(path: Path, wanted: Sequence[str], format_: str = "auto") -> Numbered:
    """A file's records. `wanted` are the (dotted) names of fields, which a Parquet file must have as columns.

    A text file is one record with the field `text`.
    """
    kind = FORMATS[path.suffix.lower()] if format_ == "auto" else format_
    return {"jsonl": _read_jsonl, "parquet": _read_parquet, "text": _read_text}[kind](path, wanted)


def field_of(record: dict[str, Any], name: str) -> Any:
    """A field by its name, or by a dotted path into nested objects; None when it is not there."""
    if name in record:
        return record[name]
    value: Any = record
    for part in name.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def text_of(record: dict[str, Any], name: str) -> str:
    """A field that must hold text. Raises Unusable when it does not."""
    value = field_of(record, name)
    if value is None:
        raise Unusable(f"no field `{name}`")
    return checked_text(value, name)


def checked_text(value: Any, name: str) -> str:
    """A value of the field `name`, when it is text with something in it; else raises Unusable."""
    if not isinstance(value, str):
        raise Unusable(f"field `{name}` is not text")
    if not value.strip():
        raise Unusable(f"field `{name}` is empty")
    if not _is_encodable(value):
        raise Unusable(f"field `{name}` holds half a surrogate pair")
    return value


def label_of(record: dict[str, Any], name: str | None) -> str:
    """Metadata as text: lists joined, anything missing empty."""
    value = None if name is None else field_of(record, name)
    if value is None:
        return ""
    text = "; ".join(map(str, value)) if isinstance(value, Iterable) and not isinstance(value, str) else str(value)
    return text.encode(errors="replace").decode()


def _inside(folder: Path, format_: str, formats: Sequence[str]) -> list[Path]:
    endings = [ending for ending in formats if format_ in ("auto", FORMATS[ending])]
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() in endings)
    if not found:
        raise UserError(f"{folder} holds no file that ends in {' or '.join(endings)}. Name another folder in `paths`.")
    return found


def _read_jsonl(path: Path, wanted: Sequence[str]) -> Numbered:
    line = 0
    with path.open("rb") as file:
        for line, data in enumerate(file, start=1):
            data = data.removeprefix(_BOM) if line == 1 else data
            if data.strip():
                yield line, _parse(data)
    if line == 0:
        yield 1, Unusable("the file is empty")


def _parse(data: bytes) -> dict[str, Any] | Unusable:
    try:
        record = json.loads(data.decode())
    except UnicodeDecodeError as error:
        return Unusable(f"not UTF-8 (byte {error.start + 1} of the line)")
    except (ValueError, RecursionError) as error:
        return Unusable(f"not JSON ({error})")
    return record if isinstance(record, dict) else Unusable("not a JSON object")


def _read_parquet(path: Path, wanted: Sequence[str]) -> Numbered:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        yield 1, Unusable("the file is empty" if path.stat().st_size == 0 else f"not a Parquet file ({error})")
        return
    with file:
        columns = _columns(path, file.schema_arrow.names, wanted)
        if file.metadata.num_rows == 0:
            yield 1, Unusable("the file is empty")
        batches = file.iter_batches(batch_size=256, columns=columns)
        yield from enumerate((record for batch in batches for record in batch.to_pylist()), start=1)


def _columns(path: Path, present: list[str], wanted: Sequence[str]) -> list[str]:
    """The columns that the fields are in. Raises UserError when one is missing."""
    roots = [name if name in present else name.split(".")[0] for name in wanted]
    missing = [name for name, root in zip(wanted, roots, strict=True) if root not in present]
    if missing:
        raise UserError(
            f"{path} has no column {missing[0]!r}. Its columns are: {', '.join(present)}. Change `mapping` to fit."
        )
    return list(dict.fromkeys(roots))


def _read_text(path: Path, wanted: Sequence[str]) -> Numbered:
    data = path.read_bytes().removeprefix(_BOM)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        yield data.count(b"\n", 0, error.start) + 1, Unusable(f"not UTF-8 (byte {error.start + 1} of the file)")
        return
    yield 1, {"text": text} if data else Unusable("the file is empty")


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
