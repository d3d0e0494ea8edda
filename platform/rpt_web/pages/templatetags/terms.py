"""Words of pages that link to what they mean: `{% term "entropy" %}`, `{% term "position" "positions" %}`."""

from __future__ import annotations

from django.template import Library
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import slugify

register = Library()


@register.simple_tag
def term(name: str, words: str = "") -> SafeString:
    """A term of the glossary, written as `words` where that is another form of it."""
    place = f"{reverse('help:document', args=['glossary'])}#{slugify(name)}"
    return format_html('<a class="term" href="{}">{}</a>', place, words or name)
