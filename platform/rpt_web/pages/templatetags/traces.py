"""Where the groups behind a number are listed: `cell|groups_of_cell` of an accuracy, `row|with_addresses:table`."""

from __future__ import annotations

from collections.abc import Iterable

from django.template import Library
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from rpt_web.numbers import signed_points
from rpt_web.pages.group_addresses import KINDS_OF_MODES, address_of_list, address_of_lists
from rpt_web.pages.table_addresses import addresses_of
from rpt_web.pages.templatetags.show import percent, readable
from rpt_web.results.headlines import Number
from rpt_web.results.models import Evaluation
from rpt_web.results.tables import Row, TableView, Written

register = Library()
MOST_COMPARED = 8
"""Runs behind a difference that are worth comparing one by one."""


@register.filter
def groups_of_cell(cell: Evaluation) -> str:
    """The list of the groups that an accuracy was measured by; empty where nothing was written, as without thinking."""
    kind = KINDS_OF_MODES.get(cell.mode, "")
    return address_of_list(cell.run_id, kind, cell.step, f"difficulty={cell.difficulty}") if kind else ""


@register.simple_tag
def accuracy(number: Number) -> SafeString | str:
    """An accuracy in per cent, with a link to the groups that it was measured by."""
    address, words = groups_of_number(number), percent(number.estimate.value)
    return format_html('<a class="cell-link" href="{}">{}</a>', address, words) if address else words


@register.simple_tag
def leading(text: str, address: str) -> SafeString | str:
    """Hostile text, with a link where it leads anywhere."""
    shown = readable(text)
    return format_html('<a class="cell-link" href="{}">{}</a>', address, shown) if address else shown


@register.simple_tag
def change(before: Number, after: Number, value: float | None) -> SafeString | str:
    """A difference in points, with a link to the comparison of the two, where each is one evaluation of a run."""
    words, rows = signed_points(value), [*before.rows, *after.rows]
    if len(rows) > MOST_COMPARED:
        return words
    query = ",".join(f"{row.run_id}@{row.step}" for row in rows)
    return format_html('<a class="cell-link" href="{}?runs={}">{}</a>', reverse("compare:basket"), query, words)


def groups_of_number(number: Number) -> str:
    """The list of the groups of an accuracy; of a mean over several runs where all are at one step."""
    first = number.rows[0]
    kind, runs = KINDS_OF_MODES.get(first.mode, ""), [row.run_id for row in number.rows]
    is_one_step = len({row.step for row in number.rows}) == 1
    return address_of_lists(runs, kind, first.step, f"difficulty={first.difficulty}") if kind and is_one_step else ""


@register.filter
def with_addresses(row: Row, table: TableView) -> Iterable[tuple[Written, str]]:
    """The cells of a row of a run's table, each with where it leads; empty where that is not known."""
    found = addresses_of(table, row.values)
    return [(cell, found.get(key, "")) for cell, key in zip(row.cells, table.keys, strict=True)]
