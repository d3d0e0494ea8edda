"""One figure or table on a page of its own, what it came from, and its data as a file."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from rpt_web import access
from rpt_web.exhibits.shown import shown_exhibit
from rpt_web.exports import file_answer

ENDINGS = (("csv", "CSV"), ("parquet", "Parquet"), ("tex", "LaTeX"))


@require_safe
def exhibit_detail(request: HttpRequest, ref: str) -> HttpResponse:
    """The figure with its data, and what it came from."""
    exhibit = access.get_exhibit_or_404(request.user, ref)
    shown = shown_exhibit(exhibit)
    drawn = [shown.figure.as_json()] if shown.figure else []
    context = {"shown": shown, "exhibit": exhibit, "figures_json": drawn, "endings": ENDINGS, "with_links": True}
    return render(request, "exhibits/exhibit_detail.html", context)


@require_safe
def came_from(request: HttpRequest, ref: str) -> HttpResponse:
    """What it came from, for the fold below a figure."""
    exhibit = access.get_exhibit_or_404(request.user, ref)
    return render(request, "exhibits/_sources.html", {"sources": exhibit.sources, "with_links": True})


@require_safe
def exhibit_file(request: HttpRequest, ref: str, ending: str) -> HttpResponse:
    """Its data as CSV, Parquet or LaTeX."""
    return file_answer(access.get_exhibit_or_404(request.user, ref).file_table, ending)
