"""Words of pages that link to what they mean.

`{% term "entropy" %}` and `{% term "position" "positions" %}` link one word. `{% terms %} ... {% endterms %}` links the
terms of the glossary in the text between them, each once on a page; what is a link, a button, code or the name of a
field there stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from django.conf import settings
from django.template import Context, Library, Node, NodeList
from django.template.base import Parser, Token
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify

register = Library()
COMMON = {"n", "lost", "published", "standard", "run", "job", "team", "node", "question", "context", "step", "clone"}
"""Terms that are everyday words, too: only `term` links them."""
CLOSED = {"a", "button", "code", "label", "option", "script", "textarea", "summary"}
"""Elements whose text stays as it is."""
_TERM = re.compile(r"^### (.+)$", re.MULTILINE)
_SHORT = re.compile(r" \((\w+)\)$")
_TAG = re.compile(r"(<[^>]+>)")
_NAME = re.compile(r"</?([a-z0-9]+)")


@register.simple_tag
def term(name: str, words: str = "") -> SafeString:
    """A term of the glossary, written as `words` where that is another form of it."""
    return format_html('<a class="term" href="{}">{}</a>', place_of(name), words or name)


def place_of(name: str) -> str:
    """Where the glossary says what a term means."""
    return f"{reverse('help:document', args=['glossary'])}#{slugify(name)}"


@register.tag
def terms(parser: Parser, token: Token) -> Node:
    """Link the terms in a part of a template."""
    inside = parser.parse(("endterms",))
    parser.delete_first_token()
    return _Terms(inside)


class _Terms(Node):
    def __init__(self, nodelist: NodeList) -> None:
        self.nodelist = nodelist

    def render(self, context: Context) -> SafeString:
        """The part with its links; what the page has linked before is remembered with the request."""
        html = self.nodelist.render(context)
        request = context.get("request")
        linked: set[str] = set() if request is None else request.__dict__.setdefault("linked_terms", set())
        return mark_safe("".join(_linked(html, linked)))


def _linked(html: str, linked: set[str]) -> Iterator[str]:
    closed = 0
    for part in _TAG.split(html):
        if part.startswith("<") and (found := _NAME.match(part)):
            if found[1] in CLOSED:
                closed += -1 if part.startswith("</") else 1
            yield part
        else:
            yield part if closed else _in_text(part, linked)


def _in_text(text: str, linked: set[str]) -> str:
    names, pattern = glossary()

    def link(found: re.Match[str]) -> str:
        name = names.get(found[0].lower()) or names[found[0].lower().removesuffix("s")]
        if name in linked:
            return found[0]
        linked.add(name)
        return str(term(name, mark_safe(found[0])))

    return pattern.sub(link, text)


@cache
def term_names() -> list[str]:
    """The terms of the glossary, in its order."""
    return _TERM.findall((Path(settings.ROOT) / "docs/glossary.md").read_text(encoding="utf-8"))


@cache
def glossary() -> tuple[dict[str, str], re.Pattern[str]]:
    """How a term may be written -> its name, and a pattern of all of them, longer ones first."""
    written: dict[str, str] = {}
    for name in term_names():
        short = _SHORT.search(name)
        for form in (name, _SHORT.sub("", name), short[1] if short else name):
            if form.lower() not in COMMON:
                written[form.lower()] = name
    every = "|".join(re.escape(form) for form in sorted(written, key=len, reverse=True))
    return written, re.compile(rf"(?<![\w@/.-])(?:{every})s?(?![\w-])", re.IGNORECASE)
