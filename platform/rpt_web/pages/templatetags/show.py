"""How values are written on pages: numbers with their units, times, sizes; a dash for what is missing."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, cast

from django.template import Library
from django.templatetags.static import static
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from rpt_core.words import listed
from rpt_web.numbers import DASH, dash, duration, is_missing, points, power, short, signed_points, size, whole
from rpt_web.runs import display, queues
from rpt_web.text import on_a_terminal, spaced
from rpt_web.traces import inspector
from rpt_web.traces.queries import KIND_LABELS, REASONS

register = Library()
for _written in (dash, duration, points, power, short, signed_points, size, whole):
    register.filter(_written.__name__, _written)

MISSING = mark_safe(f'<span class="faint">{DASH}</span>')
_NO_BOX = mark_safe('<span class="faint">no box</span>')
_EMPTY = mark_safe('<span class="faint">empty</span>')
_DOT = mark_safe('<span class="dot"></span>')
_CODE = re.compile(r"`([^`\n]+)`")


@register.filter
def styled(field: Any) -> SafeString:
    """A field of a form as its input, with the looks of ours where the form gives it none."""
    own = field.field.widget.attrs.get("class")
    return cast(SafeString, field.as_widget(attrs={} if own else {"class": "form-control"}))


@register.simple_tag
@cache
def icon(name: str, classes: str = "") -> SafeString:
    """An icon of the sprite, hidden from screen readers: the words beside it say the same. Written once a process, as
    the sprite has one name as long as that runs: lists have hundreds."""
    href = static("vendor/tabler-icons/sprite.svg")
    return format_html('<svg class="icon {}" aria-hidden="true"><use href="{}#{}"/></svg>', classes, href, name)


@register.filter
def moment(value: datetime | None) -> SafeString | str:
    """A time in words, kept up to date in the browser, with the exact time as its title."""
    if is_missing(value):
        return DASH
    exact = value.astimezone(UTC)
    iso, minute = exact.isoformat(timespec="seconds"), exact.strftime("%-d %b %Y, %H:%M")
    title = f"{minute}:{exact.second:02} UTC"
    return mark_safe(f'<time datetime="{iso}" title="{title}" data-relative>{minute}</time>')


@register.simple_tag
def ticks(value: timedelta, goes_on: bool) -> SafeString:
    """The attribute of a duration that goes on: run.js then writes it again each second."""
    return format_html('data-ticks="{}"', f"{value.total_seconds():.1f}") if goes_on else mark_safe("")


@register.filter
def percent(fraction: float | None, digits: int = 1) -> str:
    """A fraction of 1 as per cent."""
    return DASH if is_missing(fraction) else f"{100 * fraction:.{digits}f} %"


@register.filter
def decimals(value: float | None, digits: int = 2) -> str:
    """A number with so many decimals."""
    return DASH if is_missing(value) or not math.isfinite(value) else f"{value:.{digits}f}".replace("-", "−")


@register.simple_tag
def status_tag(run: Any, blockers: Sequence[str] = ()) -> SafeString:
    """A run's state as a coloured word; `blockers` are the runs that block it."""
    return _state_tag(display.run_state(run, blockers))


@cache
def _state_tag(state: display.State) -> SafeString:
    mark = icon(state.icon) if state.icon else _DOT
    text = '<span class="chip {}" title="{}">{}{}</span>'
    return format_html(text, state.colour, state.words, mark, state.label)


@register.filter
def pips(runs: Sequence[tuple[Any, Sequence[str]]]) -> SafeString:
    """Runs, each with those that block it, as small coloured bars that are named by their titles."""
    return mark_safe("".join(_pip(run, display.run_state(run, blockers)) for run, blockers in runs))


def _pip(run: Any, state: display.State) -> str:
    return f'<span class="pip {state.colour}" title="{escape(run.name)}: {state.label}"></span>'


@register.simple_tag
def options(pairs: Sequence[tuple[object, str]], chosen: object) -> SafeString:
    """(value, label) as options of a select, for thousands of them: a loop in a template takes ten times as long."""
    marks = {True: mark_safe(" selected"), False: ""}
    rows = ((value, marks[value == chosen], label) for value, label in pairs)
    return format_html_join("", '<option value="{}"{}>{}</option>', rows)


@register.filter
def words(name: str) -> str:
    """A field's name as words: tokens_per_second -> tokens per second."""
    return spaced(name)


@register.filter
def setting(value: Any) -> str:
    """A config's value as JSON writes it, without the quotes around a text."""
    if isinstance(value, str):
        return value or '""'
    return json.dumps(value)


@register.filter
def quoted(names: Sequence[str]) -> str:
    """Names in a row, each in quotation marks: “a”, “b” and “c”."""
    return listed(f"“{name}”" for name in names) if names else ""


@register.filter
def worker_command(queue: str) -> str:
    """How to start a worker for a queue."""
    return queues.worker_command(queue)


@register.filter
def visible(data: bytes | None, limit: int = inspector.LONGEST_SHOWN) -> SafeString:
    """Bytes in a line of text, with nothing invisible in them: a space is a faint dot.

    Signs are marked, so that a written dot is not taken for a space. The inspector shows bytes one by one, with names.
    """
    pieces = inspector.visible(data, limit)
    return mark_safe("".join(map(_marked, pieces)))


def _marked(piece: inspector.Piece) -> str:
    text = html.escape(piece.text)
    return f'<span class="sign">{text}</span>' if piece.is_sign else text


@register.filter
def readable(text: str) -> str:
    """Hostile text with its control and direction marks written out; the template escapes the rest."""
    return inspector.readable(text)


@register.filter
def terminal(text: str) -> str:
    """What was written to a terminal, as it would have looked there, but in one colour."""
    return on_a_terminal(text)


@register.filter
def with_code(text: str) -> SafeString:
    """Text with what stands in a pair of `backticks` as code, all of it escaped."""
    return mark_safe(_CODE.sub(r"<code>\1</code>", escape(str(text))))


@register.filter
def reason(name: str) -> str:
    """A verdict's reason in words."""
    return REASONS.get(name, name)


@register.simple_tag
def prediction(data: bytes | None, reward: float) -> SafeString:
    """What a response predicted, green where that is rewarded; made here, since a page has hundreds."""
    if data is None:
        return _NO_BOX
    if not data:
        return _EMPTY
    return mark_safe(f'<code class="bytes {"good" if reward > 0 else "bad"}">{visible(data)}</code>')


@register.filter
def kind(name: str) -> str:
    """What responses are for, in words."""
    return KIND_LABELS.get(name, name)


@register.simple_tag
def interval_bar(cell: Any) -> SafeString:
    """An accuracy and its interval on a rail from 0 to 100 %; the numbers stand beside it in words."""
    left, width = 100 * cell.low, max(100 * (cell.high - cell.low), 0.6)
    return mark_safe(
        f'<svg class="interval-bar {escape(cell.difficulty)}" viewBox="0 0 100 9" preserveAspectRatio="none"'
        ' aria-hidden="true"><rect class="rail" y="3.5" width="100" height="2"/>'
        f'<rect class="range" x="{left:.2f}" y="2" width="{width:.2f}" height="5"/>'
        f'<rect class="point" x="{min(100 * cell.value, 98.6):.2f}" width="1.4" height="9"/></svg>'
    )
