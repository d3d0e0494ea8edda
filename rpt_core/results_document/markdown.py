"""Small pieces of Markdown: tables and numbers as text. Loads without torch and numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rpt_core.run.tables import Estimate

DASH = "–"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table, nothing at all without rows; the first column is text, the others are numbers."""
    if not rows:
        return ""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def percent(value: Estimate | Mapping[str, Any] | float | None) -> str:
    """A share in % with its interval in brackets where it has one."""
    return _with_interval(value, lambda number: f"{100 * number:.1f}")


def points(value: Estimate | Mapping[str, Any] | float | None) -> str:
    """A difference of shares in points, with its sign."""
    return _with_interval(value, lambda number: f"{100 * number:+.1f}")


def change(value: Estimate | Mapping[str, Any] | float | None) -> str:
    """A relative change in %, with its sign."""
    return points(value)


def number(value: Estimate | Mapping[str, Any] | float | None, form: str = ".3g") -> str:
    """Any number."""
    return _with_interval(value, lambda found: format(found, form))


def each(values: Sequence[Any], form: Any) -> str:
    """The values of the seeds, one after the other."""
    return ", ".join(form(value) for value in values)


def _with_interval(value: Any, write: Any) -> str:
    if value is None:
        return DASH
    if isinstance(value, Estimate):
        value = {"value": value.value, "low": value.low, "high": value.high}
    if not isinstance(value, Mapping):
        return str(write(value))
    if value["value"] is None:
        return DASH
    if value.get("low") is None:
        return str(write(value["value"]))
    return f"{write(value['value'])} [{write(value['low'])}, {write(value['high'])}]"
