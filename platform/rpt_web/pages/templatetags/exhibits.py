"""Tables and sources of exhibits as HTML, and what tables are called where only a template knows which they are.

A report has tens of thousands of cells and settings. A loop in a template is slow at so many, as is `format_html`: here
each text is escaped by hand.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from django.template import Library
from django.utils.safestring import SafeString, mark_safe

from rpt_web.exhibits.shown import WrittenRow
from rpt_web.results.tables import Written
from rpt_web.review.models import ReviewQueue
from rpt_web.traces.inspector import readable

register = Library()
_MORE = ' class="more-row"'
SHORT_TEXT = 40
"""Characters. A longer text gets a column that is not squeezed by numbers, which do not wrap."""


@register.simple_tag
def ref_of_agreement(queue: ReviewQueue, question: str, table: str) -> str:
    """Of a table of how far reviewers agree about a question."""
    return f"queue/{queue.pk}/agreement/{question}/{table}"


@register.filter
def table_rows(rows: Sequence[WrittenRow]) -> SafeString:
    """The rows of a table with their cells."""
    texts = (f"<tr{_MORE if row.is_more else ''}>{''.join(map(_cell, row.cells))}</tr>" for row in rows)
    return mark_safe("\n".join(texts))


@register.filter
def position_settings(settings: Sequence[tuple[str, str]]) -> SafeString:
    """The settings that decide which positions are used, one after another."""
    return mark_safe("\n".join(map(_setting, settings)))


@register.filter
def settings_list(settings: Sequence[tuple[str, str]]) -> SafeString:
    """A run's settings, each as an item."""
    return mark_safe("".join(f"<li>{_setting(setting)}</li>" for setting in settings))


def _cell(cell: Written) -> str:
    kind = ' class="number"' if cell.is_number else ""
    if cell.text is None:
        return f'<td{kind}><span class="faint">–</span></td>'
    if not cell.is_number and len(cell.text) > SHORT_TEXT:
        kind = ' class="long-text"'
    interval = f' <span class="small muted">{html.escape(cell.interval)}</span>' if cell.interval else ""
    n = f' <span class="small faint">n {html.escape(cell.n)}</span>' if cell.n else ""
    return f"<td{kind}>{html.escape(readable(cell.text))}{interval}{n}</td>"


def _setting(setting: tuple[str, str]) -> str:
    name, value = setting
    return f"<code>{html.escape(f'{name}={readable(value)}')}</code>"
