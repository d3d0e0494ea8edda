"""Records of a file of any kind, read as a stream, with the line or row of each.

In: a DataFile, the (dotted) names of the fields that are needed. Out: numbered records as plain dictionaries; what is
no record stands as an `Unusable` in its place. A file that cannot be read as a whole raises UserError with its name
and, where it is known, its row group: nobody knows how many records were in it.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from rpt_core.errors import UserError, said
from rpt_core.text.files import DataFile, unreadable
from rpt_core.text.json_values import json_values, records_within
from rpt_core.text.opening import opened
from rpt_core.text.records import Numbered, Unusable, is_encodable

_BOM = b"\xef\xbb\xbf"
_BATCH = 256
"""Rows of a table that are turned into records at a time."""
_END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"
"""How a whole Arrow stream ends."""
_SEPARATORS = ",;\t|"


@dataclass
class ReadingProgress:
    """How far a file has been read."""

    share: float = 0.0
    """Of the file, between 0 and 1."""
    part: str = ""
    """Where the reader is, for a message."""


def read_records(file: DataFile, wanted: Sequence[str], progress: ReadingProgress | None = None) -> Numbered:
    """A file's records. `wanted` are the (dotted) names of fields, which a table must have as columns.

    A text file is one record with the field `text`. Raises UserError for a file that cannot be read.
    """
    progress = progress or ReadingProgress()
    try:
        yield from _READERS[file.kind](file, wanted, progress)
    except (UserError, MemoryError):  # memory is no fault of the file
        raise
    except Exception as error:
        # Whatever a library raises for what is in somebody else's file.
        raise UserError(unreadable(file.path, error, progress.part)) from error
    progress.share = 1.0


def _read_jsonl(file: DataFile, wanted: Sequence[str], progress: ReadingProgress) -> Numbered:
    good, first_problem, fields = 0, "", _Fields(file, wanted)
    with opened(file.path) as source:
        for line, data in enumerate(source.stream, start=1):
            data = data.removeprefix(_BOM) if line == 1 else data
            if not data.strip():
                continue
            record = _parse(data)
            if isinstance(record, Unusable):
                if good and not data.endswith(b"\n"):
                    raise ValueError(f"its last line, {line}, has no end ({record}), so the file was cut off")
                first_problem = first_problem or f"line {line}: {record}"
            else:
                good += 1
                fields.see(record)
            progress.share = source.share_read()
            yield line, record
    if first_problem and not good:
        raise ValueError(f"none of its lines is a JSON object ({first_problem})")
    fields.check()


class _Fields:
    """Whether the records of a file without columns have any of the fields that are wanted."""

    def __init__(self, file: DataFile, wanted: Sequence[str]) -> None:
        self._path, self._wanted = file.path, wanted
        self._first: list[str] | None = None
        self._is_known = not wanted

    def see(self, record: dict[str, Any]) -> None:
        """Look at the fields of a record."""
        if self._first is None:
            self._first = list(record)
        self._is_known = self._is_known or any(name in record or name.split(".")[0] in record for name in self._wanted)

    def check(self) -> None:
        """Raise UserError when no record had one: that is another file, such as a server's word of an error."""
        if self._first is not None and not self._is_known:
            raise UserError(
                f"{self._path} has no record with the field {' or '.join(map(repr, self._wanted))}. Its first record "
                f"has: {', '.join(self._first[:20]) or 'nothing'}. Change `mapping` to fit, or leave the file out of "
                "`paths`."
            )


def _parse(data: bytes) -> dict[str, Any] | Unusable:
    try:
        record = json.loads(data.decode())
    except UnicodeDecodeError as error:
        return Unusable(f"not UTF-8 (byte {error.start + 1} of the line)")
    except (ValueError, RecursionError) as error:
        return Unusable(f"not JSON ({said(error)})")
    return record if isinstance(record, dict) else Unusable("not a JSON object")


def _read_json(file: DataFile, wanted: Sequence[str], progress: ReadingProgress) -> Numbered:
    """One list of objects, an object that holds such a list, or objects one after another. Lines count as items."""
    with opened(file.path) as source:
        text = io.TextIOWrapper(source.stream, encoding="utf-8-sig")
        values = json_values(text)
        first, second = next(values, None), next(values, None)
        if second is None and isinstance(first, dict) and not any(name.split(".")[0] in first for name in wanted):
            values = iter(records_within(first) or [first])
        else:
            values = chain((value for value in (first, second) if value is not None), values)
        fields = _Fields(file, wanted)
        for number, value in enumerate(values, start=1):
            progress.share = source.share_read()
            if isinstance(value, dict):
                fields.see(value)
            yield number, value if isinstance(value, dict) else Unusable("not a JSON object")
        fields.check()


def _read_csv(file: DataFile, wanted: Sequence[str], progress: ReadingProgress) -> Numbered:
    """Rows under a line of names, separated by commas, semicolons, tabs or bars. All values are texts."""
    csv.field_size_limit(sys.maxsize)
    with opened(file.path) as source:
        text = io.TextIOWrapper(source.stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
        header = text.readline()
        separator = max(_SEPARATORS, key=header.count)
        names = next(csv.reader([header], delimiter=separator), [])
        if not names:
            return
        _roots(file, names, wanted)
        lines = _Lines(text)
        rows = csv.reader(lines, delimiter=separator, strict=True)
        for row in rows:
            progress.share = source.share_read()
            progress.part = f"line {rows.line_num + 1}"
            if row:
                record = _row(names, row)
                if isinstance(record, Unusable) and not lines.last.endswith(("\n", "\r")):
                    raise ValueError(f"its last line has no end ({record}), so the file was cut off")
                yield rows.line_num + 1, record


class _Lines:
    """The lines of a text, the last of which is kept."""

    def __init__(self, text: TextIO) -> None:
        self._text, self.last = text, ""

    def __iter__(self) -> Iterator[str]:
        for line in self._text:
            self.last = line
            yield line


def _row(names: list[str], row: list[str]) -> dict[str, Any] | Unusable:
    if len(row) != len(names):
        return Unusable(f"{len(row)} fields under {len(names)} names")
    if not all(map(is_encodable, row)):
        return Unusable("not UTF-8")
    return dict(zip(names, row, strict=True))


def _read_parquet(file: DataFile, wanted: Sequence[str], progress: ReadingProgress) -> Numbered:
    with pq.ParquetFile(file.path, page_checksum_verification=True) as table:
        columns = _roots(file, table.schema_arrow.names, wanted)
        groups, rows, number = table.num_row_groups, max(1, table.metadata.num_rows), 0
        for group in range(groups):
            progress.part = f"row group {group + 1} of {groups}"
            for batch in table.iter_batches(batch_size=_BATCH, row_groups=[group], columns=columns or None):
                progress.share = number / rows
                for record in batch.to_pylist():
                    number += 1
                    yield number, record


def _read_arrow(file: DataFile, wanted: Sequence[str], progress: ReadingProgress) -> Numbered:
    """Arrow's file format and its stream format, which `datasets` writes."""
    with pa.memory_map(str(file.path)) as source:
        size, number = source.size(), 0
        for batch in _arrow_batches(source, size):
            columns = _roots(file, batch.schema.names, wanted)
            progress.part = f"row {number + 1}"
            for start in range(0, batch.num_rows, _BATCH):
                for record in batch.select(columns or batch.schema.names).slice(start, _BATCH).to_pylist():
                    number += 1
                    yield number, record
            progress.share = source.tell() / size


def _arrow_batches(source: Any, size: int) -> Iterator[Any]:
    if source.read_at(6, 0) == b"ARROW1":
        with pa.ipc.open_file(source) as reader:
            yield from (reader.get_batch(index) for index in range(reader.num_record_batches))
        return
    if size < len(_END_OF_STREAM) or source.read_at(len(_END_OF_STREAM), size - len(_END_OF_STREAM)) != _END_OF_STREAM:
        raise ValueError("its end is missing, so the file was cut off")
    with pa.ipc.open_stream(source) as stream:
        yield from stream


def _roots(file: DataFile, present: list[str], wanted: Sequence[str]) -> list[str]:
    """The columns that the fields are in. Raises UserError when one is missing."""
    roots = [name if name in present else name.split(".")[0] for name in wanted]
    missing = [name for name, root in zip(wanted, roots, strict=True) if root not in present]
    if missing:
        raise UserError(
            f"{file.path} has no column {missing[0]!r}. Its columns are: {', '.join(present)}. Change `mapping` to fit."
        )
    return list(dict.fromkeys(roots))


def _read_text(file: DataFile, wanted: Sequence[str], progress: ReadingProgress) -> Numbered:
    with opened(file.path) as source:
        data = source.stream.read().removeprefix(_BOM)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        yield data.count(b"\n", 0, error.start) + 1, Unusable(f"not UTF-8 (byte {error.start + 1} of the file)")
        return
    if data:
        yield 1, {"text": text}


_READERS = {
    "jsonl": _read_jsonl,
    "json": _read_json,
    "csv": _read_csv,
    "parquet": _read_parquet,
    "arrow": _read_arrow,
    "text": _read_text,
}
