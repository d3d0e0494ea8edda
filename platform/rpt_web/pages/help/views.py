"""Pages of help: all documents, and one of them."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from rpt_web.pages.addresses import text_asked
from rpt_web.pages.help import documents

LONGEST_SEARCH = 200


@require_safe
def help_index(request: HttpRequest) -> HttpResponse:
    """All documents, each with its first sentences; or those in which all words of a search stand."""
    search = text_asked(request, "q", LONGEST_SEARCH).strip()
    sought = search.casefold().split()
    found = [one for name in documents.names() if (one := documents.document(name)) is not None]
    context = {
        "nav": "help",
        "search": search,
        "count": len(found),
        "documents": [
            (one, one.sections_with(sought) if sought else [])
            for one in sorted(found, key=lambda one: not documents.has_all(one.title.casefold(), sought))
            if documents.has_all(one.words, sought)
        ],
    }
    return render(request, "help/help.html", context)


@require_safe
def document(request: HttpRequest, name: str) -> HttpResponse:
    """A document of this version."""
    found = documents.document(name)
    if found is None:
        raise Http404(f"There is no document {name!r}. The page of help lists them.")
    return render(request, "help/document.html", {"nav": "help", "document": found})
