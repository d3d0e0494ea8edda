"""Cells of a leaderboard, made here rather than in a template: a page has sixty of them."""

from __future__ import annotations

from django.template import Library
from django.utils.html import format_html
from django.utils.safestring import SafeString

from rpt_web.numbers import points, whole
from rpt_web.pages.results.lines import CellLine
from rpt_web.pages.templatetags.show import MISSING, interval_bar

register = Library()
_CELL = '<span class="cell"><span class="value">{}</span>{}<span class="interval">{}n {}</span>{}{}</span>'
_DIFFERENCE = '<span class="interval difference"><strong>{}</strong> {}<span class="how">{}</span></span>'


@register.simple_tag
def board_cell(cell: CellLine) -> SafeString:
    """An accuracy with its interval, and how far it is from its start and from the baseline."""
    number = cell.number
    if not number:
        return MISSING
    value = points(number.value)
    shown = format_html('<a class="cell-link" href="{}">{}</a>', cell.address, value) if cell.address else value
    bar, interval = "", ""
    if number.low is not None:
        bar, interval = interval_bar(number), f"{points(number.low)} to {points(number.high)} · "
    gain = format_html(_DIFFERENCE, cell.gain, "over its start", cell.gain_words) if cell.gain else ""
    lead = format_html(_DIFFERENCE, cell.lead, "to the baseline", cell.lead_words) if cell.lead else ""
    return format_html(_CELL, shown, bar, interval, whole(number.n), gain, lead)
