"""Counts, lists and times as people write them. Loads without anything else."""

from __future__ import annotations

import math
from collections.abc import Iterable


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 position, 2 positions, 12,000 positions. For nouns whose plural ends in s."""
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def listed(names: Iterable[str]) -> str:
    """Names in a row: a; a and b; a, b and c."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def about(seconds: float) -> str:
    """A time to come, no more exact than it can be known."""
    if seconds < 50:
        return "less than a minute"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"about {minutes} min"
    hours = seconds / 3600
    return f"about {hours:.0f} h" if hours < 48 else f"about {hours / 24:.0f} days"


def duration(seconds: float) -> str:
    """A time that has passed in its two largest units: "8.4 s", "3 min 12 s", "2 h 05 min", "1 d 4 h".

    static/js/run.js writes the times that go on in the same way. Halves are rounded up, as there.
    """
    if seconds < 9.95:
        return f"{math.floor(10 * seconds + 0.5) / 10:.1f} s"
    whole = math.floor(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"
