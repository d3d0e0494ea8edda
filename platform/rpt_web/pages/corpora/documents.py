"""The documents of a checked version: paged by key, searched, read. Their text is hostile input."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from rpt_core.errors import said
from rpt_core.text import document_files
from rpt_web import access
from rpt_web.corpora.models import CorpusVersion
from rpt_web.pages.addresses import number_asked
from rpt_web.text import clean_text

PER_PAGE = 50
LONGEST_SHOWN = 50_000
"""Characters of a document on one page."""
SIDES = {"train": "training", "validation": "held out"}


@require_safe
def document_list(request: HttpRequest, corpus_id: int, number: int) -> HttpResponse:
    """A page of documents; side and words stand in the address. A search goes on by itself, part by part."""
    version = access.get_version_or_404(request.user, corpus_id, number)
    if not version.is_checked:
        return redirect("corpora:version_detail", corpus_id, number)
    side = request.GET.get("side", "")
    side = side if side in SIDES else ""
    words = clean_text(request.GET.get("q", ""))[:200].strip()
    after = number_asked(request, "after")
    context = {
        "nav": "data",
        "corpus": version.corpus,
        "version": version,
        "side": side,
        "sides": SIDES,
        "words": words,
        "part": None,
    }
    try:
        part = document_files.part_of(version.documents_file, -1 if after is None else after, PER_PAGE, side, words)
    except OSError as error:
        return render(request, "corpora/document_list.html", context | {"unreadable": said(error)})
    more = {"side": side, "q": words, "after": part.next}
    context |= {
        "part": part,
        "more_query": ""
        if part.next is None
        else urlencode({name: value for name, value in more.items() if value != ""}),
        "goes_on_by_itself": words and part.next is not None and len(part.documents) < PER_PAGE,
    }
    is_part = request.headers.get("HX-Target") == "more-documents"
    return render(request, "corpora/_documents.html" if is_part else "corpora/document_list.html", context)


@require_safe
def document_detail(request: HttpRequest, corpus_id: int, number: int, row: int) -> HttpResponse:
    """One document, a part of it where it is long."""
    version = access.get_version_or_404(request.user, corpus_id, number)
    document = _document(version, row)
    start = min(number_asked(request, "from") or 0, max(0, document["characters"] - 1))
    text = document["text"]
    end = start + LONGEST_SHOWN
    solution = len(text.encode()[: document["solution_start"]].decode(errors="ignore")) or len(text)
    border = min(max(solution, start), end)
    context = {
        "nav": "data",
        "corpus": version.corpus,
        "version": version,
        "document": document,
        "side": SIDES[document["side"]],
        "before_solution": text[start:border],
        "solution": text[border:end],
        "start": start,
        "end": min(end, document["characters"]),
        "previous_from": max(0, start - LONGEST_SHOWN) if start else None,
        "next_from": end if end < document["characters"] else None,
        "next_row": row + 1 if row + 1 < (version.documents or 0) else None,
    }
    return render(request, "corpora/document_detail.html", context)


def _document(version: CorpusVersion, row: int) -> dict[str, Any]:
    try:
        found = document_files.document_at(version.documents_file, row) if version.is_checked else None
    except OSError:
        found = None
    if found is None:
        raise Http404(f"There is no document {row} in this version.")
    return found
