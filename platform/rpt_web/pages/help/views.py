"""Pages of help: all documents, and one of them."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from rpt_web.pages.help import documents


@require_safe
def help_index(request: HttpRequest) -> HttpResponse:
    """All documents, each with its first sentences."""
    found = [documents.document(name) for name in documents.names()]
    return render(request, "help/help.html", {"nav": "help", "documents": [one for one in found if one]})


@require_safe
def document(request: HttpRequest, name: str) -> HttpResponse:
    """A document of this version."""
    found = documents.document(name)
    if found is None:
        raise Http404(f"There is no document {name!r}. The page of help lists them.")
    return render(request, "help/document.html", {"nav": "help", "document": found})
