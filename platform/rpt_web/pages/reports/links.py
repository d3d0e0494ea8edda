"""Links by which somebody reads a report without a login, the copies that they show, and reports as files.

A link shows one report and leads nowhere else: no navigation, no search, nothing of the team. Browsers and proxies are
told to keep nothing of it, search engines not to list it, and who tries links at random is refused for a while.
"""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from redis.exceptions import RedisError

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.pages.addresses import is_asked
from rpt_web.pages.reports.views import FRESH_LINK
from rpt_web.reports import printing, services
from rpt_web.reports.files import copy_of, pdf_answer, report_as_file
from rpt_web.reports.models import ReportLink, TeamReport
from rpt_web.reports.shown import shown_for_page
from rpt_web.teams.models import User

WINDOW_SECONDS = 900
MOST_MISSES, MOST_HITS = 30, 600
"""From one address within a quarter of an hour: links that are none, and requests at all."""


@require_POST
def report_share(request: HttpRequest, report_id: int) -> HttpResponse:
    """Make a link; the next page shows it, once."""
    report = access.get_report_or_404(request.user, report_id, to_change=True)
    days = request.POST.get("days", "")
    try:
        number = int(days) if days.isascii() and days.isdecimal() and len(days) < 6 else 0
        is_anonymous = is_asked(request.POST, "anonymous")
        _, secret = services.share(report, cast(User, request.user), number, is_anonymous=is_anonymous)
    except UserError as error:
        messages.error(request, str(error))
    else:
        address = request.build_absolute_uri(reverse("reports:shared", args=[secret]))
        request.session[FRESH_LINK] = {"report": report.pk, "address": address}
    return redirect(f"{reverse('reports:report_detail', args=[report.pk])}#links-heading")


@require_POST
def link_withdraw(request: HttpRequest, report_id: int, link_id: int) -> HttpResponse:
    """Nobody reads the report by it any more."""
    services.withdraw(access.get_report_link_or_404(request.user, report_id, link_id))
    messages.success(request, "The link is withdrawn: it leads nowhere any more.")
    return redirect(f"{reverse('reports:report_detail', args=[report_id])}#links-heading")


@require_safe
def report_preview(request: HttpRequest, report_id: int) -> HttpResponse:
    """What the reader of an anonymous link sees."""
    report = access.get_report_or_404(request.user, report_id)
    return render(request, "reports/shared.html", _page(report, is_anonymous=True))


@require_safe
def report_file(request: HttpRequest, report_id: int, ending: str) -> HttpResponse:
    """The report as one HTML file, or as a zip with its data; `?anonymous=1` for the anonymous copy."""
    report = access.get_report_or_404(request.user, report_id)
    return report_as_file(report, ending, is_anonymous=is_asked(request.GET, "anonymous"))


@require_http_methods(["GET", "HEAD", "POST"])
def report_pdf(request: HttpRequest, report_id: int) -> HttpResponse:
    """POST has a worker print it; GET gives the PDF that was made last."""
    is_change = request.method == "POST"
    report = access.get_report_or_404(request.user, report_id, to_change=is_change)
    is_anonymous = is_asked(request.POST if is_change else request.GET, "anonymous")
    if is_change:
        return redirect("jobs:job_detail", printing.ask(report, cast(User, request.user), is_anonymous=is_anonymous).pk)
    return pdf_answer(report, is_anonymous=is_anonymous)


@login_not_required
@require_safe
def shared(request: HttpRequest, secret: str) -> HttpResponse:
    """The report of a link."""
    link = _link(request, secret)
    if isinstance(link, HttpResponse):
        return _unlisted(link)
    context = _page(link.report, is_anonymous=link.is_anonymous) | {"secret": secret}
    return _unlisted(render(request, "reports/shared.html", context))


@login_not_required
@require_safe
def shared_file(request: HttpRequest, secret: str, ending: str) -> HttpResponse:
    """The report of a link as a file."""
    link = _link(request, secret)
    if isinstance(link, HttpResponse):
        return _unlisted(link)
    return _unlisted(report_as_file(link.report, ending, is_anonymous=link.is_anonymous))


def _page(report: TeamReport, *, is_anonymous: bool) -> dict[str, Any]:
    title, parts = copy_of(report, is_anonymous=is_anonymous)
    shown = shown_for_page(parts)
    figures = [one.figure.as_json() for one in shown if one.figure]
    return {"title": title, "shown": shown, "figures_json": figures, "frozen_at": report.frozen_at}


def _link(request: HttpRequest, secret: str) -> ReportLink | HttpResponse:
    """The link, or the answer to somebody without one."""
    address = request.META.get("REMOTE_ADDR", "")
    if _count(address, "hits") > MOST_HITS or _misses(address) >= MOST_MISSES:
        words = {"heading": "Too many requests", "words": "Wait a quarter of an hour, then open the link again."}
        return render(request, "reports/gone.html", words, status=429)
    link = ReportLink.of(secret)
    if link is not None:
        return link
    _count(address, "misses")
    words = {
        "heading": "This link leads nowhere",
        "words": "It was withdrawn, has expired, or is not whole. Ask whoever gave it to you for a new one.",
    }
    return render(request, "reports/gone.html", words, status=404)


def _count(address: str, what: str) -> int:
    """Count one more; 0 while Redis is away, since a secret of 256 bits is not guessed anyway."""
    key = f"shared-{what}-{address}"
    try:
        cache.add(key, 0, WINDOW_SECONDS)
        return int(cache.incr(key))
    except (RedisError, ValueError):  # the latter where it has just expired
        return 0


def _misses(address: str) -> int:
    try:
        return int(cache.get(f"shared-misses-{address}", 0))
    except RedisError:
        return 0


def _unlisted(answer: HttpResponse) -> HttpResponse:
    answer["Cache-Control"] = "no-store"
    answer["X-Robots-Tag"] = "noindex, nofollow"
    answer["Referrer-Policy"] = "no-referrer"
    return answer
