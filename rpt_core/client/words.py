"""Tables on a terminal. What the platform sends was partly written by models: nothing of it may steer the terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from typing import Any

GAP = "  "
LONGEST_CELL = 60


def lines_of(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Columns below their names; numbers to the right. Without rows, a line that says so.

    On a terminal a line that is wider ends with an ellipsis; a file or a pipe gets it whole.
    """
    if not rows:
        return ["none"]
    texts = [[plain(cell) for cell in row] for row in rows]
    widths = [max(len(name), *(len(row[place]) for row in texts)) for place, name in enumerate(head)]
    right = [all(isinstance(row[place], int | float) for row in rows) for place in range(len(head))]
    shown = [list(head), *texts]
    lines = [_line(cells, widths, right) for cells in shown]
    if not sys.stdout.isatty():
        return lines
    room = max(40, shutil.get_terminal_size().columns)
    return [line if len(line) <= room else f"{line[: room - 1]}…" for line in lines]


def plain(value: Any) -> str:
    """A value as one line of printable characters, on a terminal a short one; an empty one as a dash."""
    text = "-" if value is None or value == "" else str(value)
    safe = "".join(character if character.isprintable() else "·" for character in text)
    return safe if len(safe) <= LONGEST_CELL or not sys.stdout.isatty() else f"{safe[: LONGEST_CELL - 1]}…"


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (
        cell.rjust(width) if is_number else cell.ljust(width)
        for cell, width, is_number in zip(cells, widths, right, strict=True)
    )
    return GAP.join(padded).rstrip()
