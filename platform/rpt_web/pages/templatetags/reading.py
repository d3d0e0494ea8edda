"""Hostile text with marks in it: what a search has found."""

from __future__ import annotations

from typing import Any

from django.template import Library
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

from rpt_web.traces import inspector

register = Library()
_OPENED = {"": mark_safe(""), "found": mark_safe('<mark class="found">')}
_CLOSED = {"": mark_safe(""), "found": mark_safe("</mark>")}


@register.simple_tag
def marked(text: str, marks: Any = None) -> SafeString:
    """The text as `readable` writes it, with what the marks find in it marked; `marks` has `pieces(text)`."""
    pieces = marks.pieces(text) if marks else [(text, "")]
    rows = ((_OPENED[kind], inspector.readable(piece), _CLOSED[kind]) for piece, kind in pieces)
    return format_html_join("", "{}{}{}", rows)
