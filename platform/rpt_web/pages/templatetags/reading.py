"""Hostile text with marks in it, and bytes in columns. Written here and not in templates: there are thousands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.template import Library
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from rpt_web.traces import inspector
from rpt_web.traces.votes import ByteCell

register = Library()


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
