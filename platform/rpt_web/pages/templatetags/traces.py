"""Where what is behind a number is listed: `cell|behind` of an accuracy, `cell|measured` with its value, and
`row|result_cells:table` of a result table."""

from __future__ import annotations

from collections.abc import Sequence

from django.template import Library
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from rpt_web.numbers import DASH, points, signed_points, whole
from rpt_web.pages.group_addresses import (
    KINDS_OF_MODES,
    WITHOUT_THINKING,
    address_of_evaluations,
    address_of_list,
    address_of_positions,
)
from rpt_web.pages.table_addresses import addresses_of_row
from rpt_web.pages.templatetags.show import MISSING, percent, readable
from rpt_web.results.headline import Number
from rpt_web.results.models import Evaluation
from rpt_web.results.paper_tables import SeveralRuns
from rpt_web.results.tables import Row, TableView, Written

register = Library()
MOST_COMPARED = 8
"""Runs behind a difference that are worth comparing one by one."""
_NUMBER = mark_safe(' class="number"')


@register.filter
def behind(cell: Evaluation) -> str:
    """The groups that an accuracy was measured by, or without thinking its positions; empty for another mode."""
    if cell.mode == WITHOUT_THINKING:
        return address_of_positions(cell.run_id, cell.step, cell.mode, cell.difficulty)
    kind = KINDS_OF_MODES.get(cell.mode)
    return address_of_list(cell.run_id, kind, cell.step, difficulty=cell.difficulty) if kind else ""


@register.filter
def linked_value(cell: Evaluation) -> SafeString | str:
    """An accuracy in points, with a link to what it was measured by."""
    return _linked(behind(cell), points(cell.value))


@register.filter
def measured(cell: Evaluation | None) -> SafeString | str:
    """The same with its interval and n; made here rather than in a template, since a page has hundreds."""
    if cell is None:
        return DASH
    text = '<strong>{}</strong> <span class="small muted">{} to {}, n {}</span>'
    return format_html(text, linked_value(cell), points(cell.low), points(cell.high), whole(cell.n))


@register.simple_tag
def accuracy(number: Number) -> SafeString | str:
    """An accuracy in per cent, with a link to what it was measured by; of a mean without thinking one for each seed."""
    words = percent(number.estimate.value)
    if len(number.rows) == 1 or number.rows[0].mode != WITHOUT_THINKING:
        address = behind(number.rows[0]) if len(number.rows) == 1 else _groups(number.rows)
        return _linked(address, words)
    seeds = format_html_join(", ", '<a href="{}">{}</a>', ((behind(row), row.run.seed) for row in number.rows))
    return format_html("{} <small>(seed {})</small>", words, seeds)


@register.simple_tag
def change(before: Number, after: Number, value: float | None) -> SafeString | str:
    """A difference in points, with a link to the comparison of the two, where each is one evaluation of a run."""
    words, rows = signed_points(value), [*before.rows, *after.rows]
    if len(rows) > MOST_COMPARED:
        return words
    query = ",".join(f"{row.run_id}@{row.step}" for row in rows)
    return format_html('<a class="cell-link" href="{}?runs={}">{}</a>', reverse("compare:basket"), query, words)


def _groups(rows: Sequence[Evaluation]) -> str:
    """The groups of evaluations in one mode at one difficulty; empty where these rest on no responses."""
    kind = KINDS_OF_MODES.get(rows[0].mode, "")
    at = [(row.run_id, row.step) for row in rows]
    return address_of_evaluations(at, kind, f"difficulty={rows[0].difficulty}") if kind else ""


def _linked(address: str, words: str) -> SafeString | str:
    return format_html('<a class="cell-link" href="{}">{}</a>', address, words) if address else words


@register.filter
def result_cells(row: Row, table: TableView | SeveralRuns) -> SafeString:
    """The cells of a row of a table as `td`s, each with a link where it leads anywhere; made here likewise."""
    found = addresses_of_row(table, row)
    pairs = zip(row.cells, table.keys, strict=True)
    return mark_safe("".join(_cell(cell, found.get(key, "")) for cell, key in pairs))


def _cell(cell: Written, address: str) -> SafeString:
    title = format_html(' title="{}"', cell.exact) if cell.exact else ""
    return format_html("<td{}{}>{}</td>", _NUMBER if cell.is_number else "", title, _within(cell, address))


def _within(cell: Written, address: str) -> SafeString | str:
    if cell.text is None:
        return MISSING
    text = _linked(address, readable(cell.text))
    if not cell.interval and not cell.n:
        return text
    interval = format_html(' <span class="small muted">{}</span>', cell.interval) if cell.interval else ""
    n = format_html(' <span class="small faint">n {}</span>', cell.n) if cell.n else ""
    return format_html("<strong>{}</strong>{}{}", text, interval, n)
