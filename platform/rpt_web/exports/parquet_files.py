"""Parquet with a type for each column, the words of the table in the file's metadata and those of a column in its own.

Metadata: `title`, `caption`, `came_from` (JSON pairs); a column has `title`, `kind`, and as a part of an estimate `of`
and `part`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rpt_web.exports.tables import PlainColumn, PlainTable, PlainValue

_WHOLE = ("count", "tokens")
_TIME = pa.timestamp("us", tz="UTC")


def parquet_bytes(table: PlainTable) -> bytes:
    """The table as Parquet."""
    values = table.values()
    own = [[row[place] for row in values] for place in range(len(table.columns))]
    typed = [_column(column, cells) for column, cells in zip(table.columns, own, strict=True)]
    fields = [
        pa.field(column.key, cells.type, metadata=_words(column))
        for column, cells in zip(table.columns, typed, strict=True)
    ]
    sink = pa.BufferOutputStream()
    schema = pa.schema(fields, metadata=_metadata(table))
    pq.write_table(pa.Table.from_arrays(typed, schema=schema), sink, compression="zstd")
    written: bytes = sink.getvalue().to_pybytes()
    return written


def _metadata(table: PlainTable) -> dict[str, str]:
    came_from = json.dumps([list(pair) for pair in table.came_from], ensure_ascii=False)
    return {"title": table.title, "caption": table.caption, "came_from": came_from}


def _words(column: PlainColumn) -> dict[str, str]:
    words = {"title": column.title, "kind": column.kind}
    return words | ({"of": column.of, "part": column.part} if column.of else {})


def _column(column: PlainColumn, cells: Sequence[PlainValue]) -> Any:
    """A column that holds other values than its kind says becomes text: no value is lost."""
    kind = _type(column, [cell for cell in cells if cell is not None])
    if kind == pa.string():
        return pa.array([None if cell is None else _text(cell) for cell in cells], kind)
    return pa.array(cells, kind)


def _type(column: PlainColumn, known: Sequence[PlainValue]) -> Any:
    if column.kind == "yes_or_no" and all(isinstance(cell, bool) for cell in known):
        return pa.bool_()
    if column.kind == "time" and all(isinstance(cell, datetime) for cell in known):
        return _TIME
    if column.kind in ("text", "yes_or_no", "time") or not all(map(_is_number, known)):
        return pa.string()
    is_whole = column.kind in _WHOLE and all(isinstance(cell, int) and -(2**63) <= cell < 2**63 for cell in known)
    return pa.int64() if is_whole else pa.float64()


def _is_number(cell: PlainValue) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def _text(cell: PlainValue) -> str:
    text = cell.isoformat() if isinstance(cell, datetime) else str(cell)
    return text.encode("utf-8", "replace").decode()
