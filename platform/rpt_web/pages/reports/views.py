"""Reports of the user's teams: listed, made, and changed part by part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.exhibits.refs import parsed
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.rights import team_to_change
from rpt_web.reports import content, printing, services
from rpt_web.reports.content import NEVER_LIVE
from rpt_web.reports.models import ReportPart, TeamReport
from rpt_web.reports.shown import shown_for_page
from rpt_web.teams.models import User

PER_PAGE = 50
FRESH_LINK = "fresh-link-of-report"
"""Under this the session keeps a new link until the page has shown it."""


@require_http_methods(["GET", "HEAD", "POST"])
def report_list(request: HttpRequest) -> HttpResponse:
    """The reports, newest first; a new one, which may begin with a figure."""
    ref = request.POST.get("ref", "") or request.GET.get("ref", "")
    title, wrong = request.POST.get("title", ""), ""
    if request.method == "POST":
        try:
            return _begin(request, title, ref)
        except UserError as error:
            wrong = str(error)
    before = number_asked(request, "before")
    found = access.reports_for(request.user)
    page = list((found.filter(pk__lt=before) if before else found)[: PER_PAGE + 1])
    older = page[PER_PAGE - 1].pk if len(page) > PER_PAGE else None
    context = {"nav": "reports", "reports": page[:PER_PAGE], "older": older, "ref": ref, "title": title, "wrong": wrong}
    context["first"] = _title_of(request, ref) if ref else ""
    return render(request, "reports/report_list.html", context, status=422 if wrong else 200)


@require_safe
def report_detail(request: HttpRequest, report_id: int) -> HttpResponse:
    """A report with its parts, and what may be done with it."""
    report = access.get_report_or_404(request.user, report_id)
    shown = shown_for_page(content.shown_parts(report))
    may_change = access.can_change(request.user, report.team_id)
    fresh = request.session.pop(FRESH_LINK, None) or {}
    context = {
        "nav": "reports",
        "report": report,
        "shown": shown,
        "figures_json": [one.figure.as_json() for one in shown if one.figure],
        "with_links": True,
        "may_change_here": may_change,
        "may_edit": may_change and not report.frozen_at,
        "pdfs": report.pdfs.defer("content"),
        "links": report.links.select_related("created_by") if may_change else [],
        "fresh_link": fresh.get("address", "") if fresh.get("report") == report.pk else "",
    }
    return render(request, "reports/report_detail.html", context)


@require_POST
def report_edit(request: HttpRequest, report_id: int) -> HttpResponse:
    """Change its title and what anonymous copies leave out."""
    report = access.get_report_or_404(request.user, report_id, to_change=True)
    title, words = request.POST.get("title", ""), request.POST.get("hidden_words", "")

    def change() -> None:
        if services.rename(report, title, words):
            printing.ask(report, cast(User, request.user), is_anonymous=True)
            messages.success(request, "The anonymous PDF left out other words, so it is printed again.")

    return _done(request, report, change)


@require_POST
def report_freeze(request: HttpRequest, report_id: int) -> HttpResponse:
    """Keep its data as they are, or make it live again."""
    report = access.get_report_or_404(request.user, report_id, to_change=True)
    act = services.thaw if request.POST.get("frozen") == "no" else services.freeze
    return _done(request, report, lambda: act(report))


@require_POST
def report_delete(request: HttpRequest, report_id: int) -> HttpResponse:
    """Delete it; its links are worth nothing any more."""
    report = access.get_report_or_404(request.user, report_id, to_change=True)
    report.delete()
    messages.success(request, f"The report “{report.title}” and its links are deleted.")
    return redirect("reports:report_list")


@require_POST
def part_add(request: HttpRequest, report_id: int) -> HttpResponse:
    """Add a text, a figure, a table or a response."""
    report = access.get_report_or_404(request.user, report_id, to_change=True)
    text, ref = request.POST.get("text", ""), request.POST.get("ref", "")
    return _done(request, report, lambda: add_to(request, report, ref, text), last=True)


@require_POST
def part_change(request: HttpRequest, report_id: int, part_id: int) -> HttpResponse:
    """Change its text."""
    part = access.get_report_part_or_404(request.user, report_id, part_id)
    return _done(request, part.report, lambda: services.change_text(part, request.POST.get("text", "")), part)


@require_POST
def part_move(request: HttpRequest, report_id: int, part_id: int) -> HttpResponse:
    """Move it up or down."""
    part = access.get_report_part_or_404(request.user, report_id, part_id)
    by = -1 if request.POST.get("by") == "-1" else 1
    return _done(request, part.report, lambda: services.move(part, by), part)


@require_POST
def part_remove(request: HttpRequest, report_id: int, part_id: int) -> HttpResponse:
    """Take it out."""
    part = access.get_report_part_or_404(request.user, report_id, part_id)
    return _done(request, part.report, lambda: services.remove(part))


def add_to(request: HttpRequest, report: TeamReport, ref: str, text: str) -> ReportPart:
    """Add what a form names. Raises UserError."""
    if not ref:
        return services.add_text(report, text)
    found = parsed(ref)
    is_kept = found is not None and found.kind in NEVER_LIVE
    seen = access.get_exhibit_or_404(request.user, ref) if is_kept else None
    return services.add_ref(report, ref, text, seen)


def _title_of(request: HttpRequest, ref: str) -> str:
    """What a figure or a table is called; empty for a response, and for what there is not."""
    try:
        return access.get_exhibit_or_404(request.user, ref).title
    except Http404:
        return ""


def _begin(request: HttpRequest, title: str, ref: str) -> HttpResponse:
    report = services.create(team_to_change(request), title, cast(User, request.user))
    if ref:
        try:
            add_to(request, report, ref, "")
        except UserError:
            report.delete()
            raise
    return redirect("reports:report_detail", report.pk)


def _done(
    request: HttpRequest,
    report: TeamReport,
    act: Callable[[], Any],
    part: ReportPart | None = None,
    *,
    last: bool = False,
) -> HttpResponse:
    """Do it, say what was wrong, and go back to the part."""
    try:
        act()
    except UserError as error:
        messages.error(request, str(error))
    place = report.parts.count() if last else 0
    if part is not None:
        part.refresh_from_db()
        place = part.place
    address = reverse("reports:report_detail", args=[report.pk])
    return redirect(f"{address}#part-of-{place}" if place else address)
