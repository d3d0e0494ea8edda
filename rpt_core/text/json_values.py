"""The values of a JSON text, one at a time: the items of one list, or values one after another (such as JSON lines).

In: a text stream. Out: Python values. Only the value being read is in memory, not the whole text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TextIO

from rpt_core.errors import said

_BETWEEN = re.compile(r"[\s,]*")
_CHUNK = 1 << 16
"""Characters read at a time, and more where a value is longer."""


def json_values(text: TextIO) -> Iterator[Any]:
    """The values. Raises ValueError for what is no JSON, which a text that was cut off is, too."""
    buffer, position = text.read(_CHUNK).lstrip(), 0
    decoder, number = json.JSONDecoder(), 0
    is_list = buffer.startswith("[")
    position = 1 if is_list else 0
    while True:
        position = _end_of_gap(buffer, position)
        if is_list and buffer.startswith("]", position):
            if (buffer[position + 1 :] + text.read(_CHUNK)).strip():
                raise ValueError("something follows the end of the list")
            return
        try:
            value, end = decoder.raw_decode(buffer, position)
        except ValueError as error:
            more = text.read(max(_CHUNK, len(buffer) - position))
            if not more and position == len(buffer) and not is_list:
                return
            if not more:
                raise ValueError(_why(error, number + 1, position == len(buffer))) from None
            buffer, position = buffer[position:] + more, 0
            continue
        number += 1
        yield value
        position = end


def records_within(value: dict[str, Any]) -> list[Any] | None:
    """The records that an object holds in its only list of objects; None without it."""
    lists = [part for part in value.values() if isinstance(part, list) and part and isinstance(part[0], dict)]
    return lists[0] if len(lists) == 1 else None


def _end_of_gap(buffer: str, position: int) -> int:
    found = _BETWEEN.match(buffer, position)
    return position if found is None else found.end()


def _why(error: ValueError, number: int, is_at_end: bool) -> str:
    return "its list does not end" if is_at_end else f"value {number} is not JSON ({said(error)})"
