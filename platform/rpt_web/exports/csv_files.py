"""CSV as RFC 4180 has it: a line of keys, commas, CR LF, quotes where they are needed; UTF-8.

What a spreadsheet would take for a formula gets an apostrophe in front: names and texts may be hostile.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rpt_web.exports.tables import PlainTable

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet would calculate, the wide forms of East Asian keyboards too."""
_PLAIN = (float, int)


def csv_bytes(table: PlainTable) -> bytes:
    """The table as CSV; the keys of its columns are the first line."""
    return csv_of([column.key for column in table.columns], table.values())


def csv_of(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """A head and rows as CSV."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow([harmless(name) for name in head])
    writer.writerows([_cell(value) for value in row] for row in rows)
    return file.getvalue().encode("utf-8", "replace")


def harmless(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula gets an apostrophe in front; numbers stay what they are."""
    return f"'{value}" if isinstance(value, str) and value.lstrip(" ")[:1] in _FORMULA else value


def _cell(value: Any) -> Any:
    if value is None or type(value) in _PLAIN:  # most cells of a long file
        return value
    return harmless(_written(value))


def _written(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, datetime) else value
