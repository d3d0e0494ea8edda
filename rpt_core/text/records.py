"""Records: their fields, and what becomes of those that cannot be used, which are counted and named by file and line.

In: numbered records as plain dictionaries. Out: what a caller makes of them. A record that cannot be used is rejected
into a `Tally` and does not end the reading; too many of them do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rpt_core.errors import UserError
from rpt_core.words import counted

MAX_NAMED = 100
"""So many bad records are named; all are counted."""
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
    """Records left out because the same text had been read before."""
    left_out: list[str] = field(default_factory=list)
    """Sentences about files that look like data and were not read."""
    empty_files: list[str] = field(default_factory=list)
    bad_records: list[BadRecord] = field(default_factory=list)
    """The first MAX_NAMED of them."""

    def reject(self, record: BadRecord) -> None:
        """Count a bad record."""
        self.bad += 1
        if len(self.bad_records) < MAX_NAMED:
            self.bad_records.append(record)

    def notes(self) -> list[str]:
        """What a reader of the run should know besides the counts, in sentences."""
        if not self.empty_files:
            return self.left_out
        named = ", ".join(self.empty_files[:5]) + (" and others" if len(self.empty_files) > 5 else "")
        files = counted(len(self.empty_files), "file")
        words = f"{files} without a record: {named}. Fetch those again that should have some."
        return [*self.left_out, words]

    def check(self, max_bad_share: float) -> None:
        """Raise UserError when too many of the records are bad."""
        if self.bad and self.bad > max_bad_share * self.records:
            named = "; ".join(f"{record.file}:{record.line}: {record.problem}" for record in self.bad_records[:5])
            raise UserError(
                f"Unusable: {self.bad} of {counted(self.records, 'record')}, more than the allowed share of "
                f"{max_bad_share:g}. First ones: {named}. Correct them or `mapping`, or raise `max_bad_share`."
            )


class Unusable(Exception):
    """A record has nothing usable in it; the message says why."""


Numbered = Iterator[tuple[int, dict[str, Any] | Unusable]]
"""Records with their line; an `Unusable` stands for one that could not be read."""


def usable(source: str, records: Numbered, tally: Tally, make: Callable[[dict[str, Any]], _Made]) -> Iterator[_Made]:
    """What `make` makes of each record. It raises `Unusable` for a bad one, which goes to the tally."""
    line = 0
    for line, record in records:
        tally.records += 1
        try:
            if isinstance(record, Unusable):
                raise record
            yield make(record)
        except Unusable as problem:
            tally.reject(BadRecord(source, line, str(problem)))
    if not line:
        tally.empty_files.append(source)


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
    if isinstance(value, bytes):  # a Parquet column whose type does not say that it holds text
        value = value.decode(errors="surrogateescape")
    if not isinstance(value, str):
        raise Unusable(f"field `{name}` is not text")
    if not value.strip():
        raise Unusable(f"field `{name}` is empty")
    if not is_encodable(value):
        raise Unusable(f"field `{name}` holds half a surrogate pair, or bytes that are not UTF-8")
    return value


def label_of(record: dict[str, Any], name: str | None) -> str:
    """Metadata as text: lists joined, anything missing empty, which NaN in a table stands for, too."""
    value = None if name is None else field_of(record, name)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    text = "; ".join(map(str, value)) if isinstance(value, Iterable) and not isinstance(value, str) else str(value)
    return text.encode(errors="replace").decode()


def is_encodable(text: str) -> bool:
    """Whether a text has no half of a surrogate pair, so that it can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
