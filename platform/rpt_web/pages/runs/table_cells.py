"""Cells of the table of runs as HTML: made here rather than in a template, since a page has thousands of them.

In: columns with cells. Out: safe strings; each value is escaped. A number leads to the tab of the run that shows where
it comes from.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from rpt_web.numbers import DASH, duration, points, power, short, size, whole
from rpt_web.pages.group_addresses import run_page
from rpt_web.run_table.cells import Cell
from rpt_web.run_table.columns import RunColumn
from rpt_web.runs import display
from rpt_web.runs.models import Run, Status

LONGEST = 60
"""Characters of a text in a cell; the rest is in its title."""
_MISSING = mark_safe(f'<span class="faint">{DASH}</span>')
_TABS = {"metric": "curves/", "accuracy": "evaluations/", "config": "config/"}


def run_cell(run: Run) -> SafeString:
    """The first cell of a run's row: it is chosen here, and its name leads to its page."""
    name = escape(run.name)
    return mark_safe(
        f'<th scope="row"><input class="form-check-input pick" type="checkbox" form="bulk" name="run" value="{run.pk}"'
        f' aria-label="Choose {name}" data-pick><a class="main-link" href="{run_page(run.pk)}">{name}</a></th>'
    )


def row_cells(columns: Sequence[RunColumn], cells: Sequence[Cell], run: Run | None) -> SafeString:
    """The cells of a row as `td`s; of a run, or of several."""
    pairs = zip(columns, cells, strict=True)
    return mark_safe("".join(f'<td class="{kind_of(one)}">{cell_html(one, cell, run)}</td>' for one, cell in pairs))


def kind_of(column: RunColumn) -> str:
    """The class of a column's cells."""
    if column.kind in ("text", "tags", "state", "time"):
        return "text" if column.kind == "text" else column.kind
    return "number" if column.kind != "setting" else "setting"


def cell_html(column: RunColumn, cell: Cell, run: Run | None) -> SafeString:
    """What stands in a cell."""
    if cell.words:
        return format_html('<span class="muted">{}</span>', cell.words)
    if cell.is_missing:
        return _MISSING
    if column.kind == "state":
        return _state(cell, run)
    if column.kind == "tags":
        return format_html_join(" ", '<span class="chip plain">{}</span>', ((tag,) for tag in cell.value))
    text = _linked(_text(column.kind, cell.value), column, run)
    below = _below(column, cell)
    return mark_safe(f'{text}<span class="below">{escape(below)}</span>') if below else text


def value_text(column: RunColumn, cell: Cell) -> str:
    """A value as plain text."""
    return DASH if cell.is_missing else _text(column.kind, cell.value)


def _text(kind: str, value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%-d %b %Y, %H:%M")
    writer = _WRITERS.get(kind)
    if writer is not None and isinstance(value, int | float) and not isinstance(value, bool):
        return writer(value)
    return value if isinstance(value, str) else json.dumps(value)


def _linked(text: str, column: RunColumn, run: Run | None) -> SafeString:
    shown = f"{text[:LONGEST]}…" if len(text) > LONGEST else text
    title = f' title="{escape(text)}"' if shown != text else ""
    if run is None or column.family not in _TABS:
        return mark_safe(f"<span{title}>{escape(shown)}</span>")
    address = f"/runs/{run.pk}/{_TABS[column.family]}"
    return mark_safe(f'<a class="cell-link" href="{address}"{title}>{escape(shown)}</a>')


def _below(column: RunColumn, cell: Cell) -> str:
    """The interval, n and step, in small letters."""
    parts = []
    if cell.low is not None and cell.high is not None:
        parts.append(f"{_text(column.kind, cell.low)} to {_text(column.kind, cell.high)}")
    if cell.n is not None and column.is_number:
        parts.append(f"n {cell.n:,}")
    if cell.step is not None and column.step is None and column.how != "last":
        parts.append(f"step {cell.step:,}")
    return ", ".join(parts)


def _state(cell: Cell, run: Run | None) -> SafeString:
    if run is None:
        return format_html("{}", Status(cell.value).label)
    state = display.run_state(run)
    words = (state.colour, state.words, state.label)
    return format_html('<span class="chip {}" title="{}"><span class="dot"></span>{}</span>', *words)


_WRITERS: dict[str, Callable[[Any], str]] = {
    "integer": lambda value: whole(value) if isinstance(value, int) else short(value),
    "number": short,
    "setting": lambda value: json.dumps(value) if isinstance(value, int) else short(value),
    "share": points,
    "flops": power,
    "hours": lambda value: duration(3600 * value),
    "bytes": lambda value: size(round(value)),
}
