"""`{% once %}` in a form: sent twice, it makes its things once (`pages.once`)."""

from __future__ import annotations

import secrets

from django.template import Library
from django.utils.html import format_html
from django.utils.safestring import SafeString

from rpt_web.pages.once import FIELD

register = Library()


@register.simple_tag
def once() -> SafeString:
    """A hidden field that no other form has."""
    return format_html('<input type="hidden" name="{}" value="{}">', FIELD, secrets.token_hex(12))
