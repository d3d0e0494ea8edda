"""Widgets of forms as templates/django/forms has them: the same as Django's own, which include two templates for each
option and one for the attributes of each input. A form with a hundred people to choose from took twice as long.
"""

from __future__ import annotations

from typing import Any

from django.forms.utils import flatatt
from django.template import Library
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

register = Library()


@register.filter
def as_select(widget: dict[str, Any]) -> SafeString:
    """A select with its options."""
    parts = []
    for name, options, _ in widget["optgroups"]:
        rows = ((one["value"], attributes(one["attrs"]), one["label"]) for one in options)
        found = format_html_join("", '<option value="{}"{}>{}</option>', rows)
        parts.append(format_html('<optgroup label="{}">{}</optgroup>', name, found) if name else found)
    inner = mark_safe("".join(parts))
    return format_html('<select name="{}"{}>{}</select>', widget["name"], attributes(widget["attrs"]), inner)


@register.filter
def as_boxes(widget: dict[str, Any]) -> SafeString:
    """Several check boxes or radio buttons."""
    rows = (
        (one["attrs"].get("id", ""), one["type"], one["name"], one["value"], attributes(one["attrs"]), one["label"])
        for _, options, _ in widget["optgroups"]
        for one in options
    )
    box = '<div><label for="{}"><input type="{}" name="{}" value="{}"{}> {}</label></div>'
    kept = {name: value for name, value in widget["attrs"].items() if name in ("id", "class")}
    return format_html("<div{}>{}</div>", attributes(kept), format_html_join("", box, rows))


@register.filter
def attributes(named: dict[str, Any]) -> SafeString | str:
    """Those of an input; True says a name alone, and False nothing."""
    return flatatt(named) if named else ""
