"""What Ctrl+K shows: places and things that have the words. A small part of a page, asked for while somebody types."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from rpt_web.pages.find import places, things
from rpt_web.text import clean_text

LONGEST = 200
MOST_WORDS = 6


@require_safe
def find(request: HttpRequest) -> HttpResponse:
    """Groups of what was found; without words, all pages and actions."""
    text = clean_text(request.GET.get("q", ""))[:LONGEST].strip()
    words = text.lower().split()[:MOST_WORDS]
    groups: list[tuple[str, list[places.FoundLine]]] = [("Address", places.by_address(request, text))]
    if words:
        groups += [(label, source(request.user, words)) for label, source in things.KINDS.items()]
        groups.append(("Documents and positions", things.documents(request.user, text)))
        groups.append(("Glossary", places.terms(words)))
    groups.append(("Pages and actions", places.pages(request, words)))
    shown = [(label, lines) for label, lines in groups if lines]
    return render(request, "find/_found.html", {"groups": shown, "text": text})
