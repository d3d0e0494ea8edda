"""The inbox: what somebody has been told, newest first, and marking it as read."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from rpt_web import access
from rpt_web.notices import services
from rpt_web.notices.models import Notice
from rpt_web.pages.addresses import number_asked

PER_PAGE = 50
PLACES: dict[str, Callable[[Notice], str]] = {
    "run_id": lambda notice: reverse("runs:run_detail", args=[notice.run_id]),
    "experiment_id": lambda notice: reverse("experiments:experiment_detail", args=[notice.experiment_id]),
    "comment_id": lambda notice: reverse("comments:comment", args=[notice.comment_id]),
    "queue_id": lambda notice: reverse("review:queue_detail", args=[notice.queue_id]),
}
"""The field of a notice that says what it is about -> the page of that."""


@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    """All notices, or those that have not been read."""
    found = access.notices_for(request.user)
    is_unread = request.GET.get("show") == "unread"
    found = found.filter(read_at=None) if is_unread else found
    if (before := number_asked(request, "before")) is not None:
        found = found.filter(pk__lt=before)
    rows = list(found[: PER_PAGE + 1])
    context = {
        "nav": "inbox",
        "notices": rows[:PER_PAGE],
        "older": rows[PER_PAGE - 1].pk if len(rows) > PER_PAGE else None,
        "is_unread": is_unread,
        "before": before,
    }
    return render(request, "home/inbox.html", context)


@require_safe
def notice(request: HttpRequest, notice_id: int) -> HttpResponse:
    """Lead to what a notice is about, which counts as having read it."""
    found = access.get_notice_or_404(request.user, notice_id)
    if request.method == "GET":
        services.mark_read(access.notices_for(request.user).filter(pk=found.pk))
    return redirect(place_of(found))


@require_POST
def inbox_read(request: HttpRequest) -> HttpResponse:
    """Mark as read what stands in the inbox up to the notice that is named: what came later was not seen."""
    newest = request.POST.get("newest", "")
    if newest.isdecimal() and len(newest) < 19:
        services.mark_read(access.notices_for(request.user).filter(pk__lte=int(newest)))
    return redirect("home:inbox")


def place_of(notice: Notice) -> str:
    """The page of what a notice is about; the inbox for one about nothing."""
    about = (where(notice) for field, where in PLACES.items() if getattr(notice, field) is not None)
    return next(about, reverse("home:inbox"))
