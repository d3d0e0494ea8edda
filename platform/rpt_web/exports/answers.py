"""A table as the answer to a request."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.http import Http404, HttpResponse

from rpt_core.words import listed
from rpt_web.exports.csv_files import csv_bytes
from rpt_web.exports.latex_files import latex_bytes
from rpt_web.exports.parquet_files import parquet_bytes
from rpt_web.exports.tables import PlainTable

_WRITERS: dict[str, tuple[str, Callable[[PlainTable], bytes]]] = {
    "csv": ("text/csv; charset=utf-8", csv_bytes),
    "parquet": ("application/vnd.apache.parquet", parquet_bytes),
    "tex": ("application/x-tex; charset=utf-8", latex_bytes),
}
FILE_TYPES = {ending: media_type for ending, (media_type, _) in _WRITERS.items()}
"""The ending of a file -> its type."""


def as_file(table: PlainTable, ending: str) -> bytes:
    """The table as a file of one of FILE_TYPES."""
    return _WRITERS[ending][1](table)


def file_answer(table: PlainTable, ending: str) -> HttpResponse:
    """The answer that a browser stores as NAME.ending. Raises Http404 for an ending that is none of FILE_TYPES."""
    if ending not in FILE_TYPES:
        raise Http404(f"Tables are written as {listed(FILE_TYPES)}, not as {ending!r}.")
    return named_file(as_file(table, ending), f"{table.name}.{ending}", FILE_TYPES[ending])


def named_file(content: bytes, name: str, media_type: str) -> HttpResponse:
    """Any content as a file to be stored; a character of its name that could break the header becomes a hyphen."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "file"
    answer = HttpResponse(content, content_type=media_type)
    answer["Content-Disposition"] = f'attachment; filename="{safe}"'
    answer["X-Content-Type-Options"] = "nosniff"
    return answer
