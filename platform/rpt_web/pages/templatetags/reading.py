"""Hostile text with marks in it, and bytes in columns. Written here and not in templates: there are thousands."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from django.template import Library
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from rpt_web.numbers import DASH
from rpt_web.pages.position_addresses import query_of
from rpt_web.pages.positions.context import ContextToken
from rpt_web.pages.templatetags.show import visible
from rpt_web.pages.traces.prompt_window import PromptToken
from rpt_web.pages.traces.tokens import ShownToken
from rpt_web.traces import inspector
from rpt_web.traces.filmstrip import FilmCell
from rpt_web.traces.models import ResponseGroup
from rpt_web.traces.votes import ByteCell

register = Library()
FILM_BYTES = 6
"""Of a majority, in a cell."""
_CURRENT = ' aria-current="true"'
_HERE = mark_safe('<span class="here" title="The position: what follows is to be predicted">position</span>')


@register.simple_tag
def marked(text: str, marks: Any = None) -> SafeString:
    """The text as `readable` writes it, with what the marks find in it marked; `marks` has `pieces(text)`."""
    pieces = marks.pieces(text) if marks else [(text, "", "")]
    return format_html_join("", "{}", ((_piece(*piece),) for piece in pieces))


def _piece(text: str, kind: str, title: str) -> SafeString | str:
    shown = inspector.readable(text)
    if not kind:
        return shown
    name = "span" if kind == "shared" else "mark"
    return format_html('<{} class="{}"{}>{}</{}>', name, kind, _titled(title), shown, name)


@register.simple_tag
def byte_cells(cells: Sequence[ByteCell], offsets: Sequence[int]) -> SafeString:
    """The cells of a row, and empty ones up to the last column."""
    rows = [(_classes(cell), _titled(cell.title), cell.sign) for cell in cells]
    rows += [("none", "", "")] * (len(offsets) - len(rows))
    return format_html_join("", '<td class="{}"{}>{}</td>', rows)


def _classes(cell: ByteCell) -> str:
    marks = (cell.kind, "ends" if cell.ends else "", "sign" if cell.is_sign else "")
    return " ".join(mark for mark in marks if mark)


def _titled(title: str) -> SafeString | str:
    return format_html(' title="{}"', title) if title else ""


@register.simple_tag
def film_cells(cells: Sequence[FilmCell | None], chosen: FilmCell | ResponseGroup) -> SafeString:
    """The cells of a row of a filmstrip, each a link to its group; escaped by hand, as `format_html` is slow at so
    many."""
    return mark_safe("".join(_film_cell(cell, chosen) for cell in cells))


def _film_cell(group: FilmCell | None, chosen: FilmCell | ResponseGroup) -> str:
    if group is None:
        return "<td></td>"
    majority = None if group.majority is None else bytes(group.majority)
    said = DASH if majority is None else visible(majority, FILM_BYTES)
    plain = DASH if majority is None else "".join(piece.text for piece in inspector.visible(majority, FILM_BYTES))
    marks = (
        f"pass-{round(4 * group.pass_rate)}",
        "first" if group.first_solved else "",
        "forgotten" if group.forgotten else "",
        "chosen" if group.id == chosen.id else "",
    )
    told = [f"step {group.step}: {group.rewarded} of {group.samples} right", f"majority {plain}"]
    told.append(f"{group.predictions} distinct, {group.tokens_mean:.0f} tokens on average")
    told += ["first solved here"] if group.first_solved else []
    told += ["solved before and forgotten here"] if group.forgotten else []
    classes, current = " ".join(mark for mark in marks if mark), _CURRENT if group.id == chosen.id else ""
    return (
        f'<td class="{classes}"><a href="?{html.escape(query_of(group))}#group" title="{html.escape(", ".join(told))}"'
        f"{current}>{said}<small>{group.rewarded}/{group.samples}</small><small>{group.tokens_mean:.0f}</small></a></td>"
    )


@register.simple_tag
def context_tokens(tokens: Sequence[ContextToken]) -> SafeString:
    """Tokens shaded by their entropy, with the position marked."""
    return format_html_join("", "{}", ((_context_token(token),) for token in tokens))


def _context_token(token: ContextToken) -> SafeString:
    kind = "due" if token.is_target else token.level
    title = "nothing is predicted here" if token.nats is None else f"{token.nats:.2f} nats"
    mark = _HERE if token.is_position else ""
    return format_html('{}<span class="{}" title="{}">{}</span>', mark, f"tok {kind}", title, token.text)


@register.simple_tag
def shown_prompt_tokens(tokens: Sequence[PromptToken]) -> SafeString:
    """Tokens of a prompt, one after the other; those that are no text are marked."""
    return format_html_join("", '<span class="tok {}" title="{}">{}</span>', map(_prompt_token, tokens))


def _prompt_token(token: PromptToken) -> tuple[str, str, str]:
    title = f"token {token.number}, id {token.id}" + (f", bytes {token.hex}" if token.hex else "")
    return ("control", f"special: {title}", token.text) if token.is_control else ("one", title, token.text)


@register.simple_tag
def sampled_tokens(tokens: Sequence[ShownToken]) -> SafeString:
    """Sampled tokens, shaded by how improbable they were."""
    return format_html_join("", '<span class="tok shade-{}" title="{}">{}</span>', map(_sampled, tokens))


def _sampled(token: ShownToken) -> tuple[int, str, str]:
    parts = [f"token {token.number}, id {token.id}", f"bytes {token.hex}" if token.hex else ""]
    parts += [] if token.log_prob is None else [f"log-prob {token.log_prob:.3f}"]
    parts += [] if token.nats is None else [f"entropy {token.nats:.3f} nats"]
    return token.shade, ", ".join(part for part in parts if part), token.text
