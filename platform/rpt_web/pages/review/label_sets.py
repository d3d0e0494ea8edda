"""Label sets: the list, and an editor that saves the next version."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.rights import team_to_change
from rpt_web.review import label_sets
from rpt_web.review.models import LabelSet, LabelSetVersion
from rpt_web.review.questions import KINDS, from_stored
from rpt_web.teams.models import User

MOST_LISTED, QUEUES_SHOWN = 200, 20


@require_safe
def label_set_list(request: HttpRequest) -> HttpResponse:
    """What the user's teams have."""
    rows = access.label_sets_for(request.user)
    rows = rows.annotate(version_count=Count("versions", distinct=True), queue_count=Count("versions__queues"))
    context = {"nav": "review", "rows": list(rows[:MOST_LISTED]), "built_in": label_sets.BUILT_IN}
    return render(request, "review/label_set_list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def label_set_new(request: HttpRequest) -> HttpResponse:
    """A new one, beginning with the questions that are built in."""
    team = team_to_change(request)
    name, text = request.POST.get("name", ""), request.POST.get("text", label_sets.BUILT_IN_TEXT)
    if request.method != "POST":
        return _editor(request, "", text)
    try:
        version = label_sets.create(team, name, text, cast(User, request.user))
    except UserError as error:
        return _editor(request, name, text, wrong=str(error))
    messages.success(request, f"“{version.label_set.name}” was saved.")
    return redirect("review:label_set_detail", version.label_set_id)


@require_http_methods(["GET", "HEAD", "POST"])
def label_set_detail(request: HttpRequest, label_set_id: int) -> HttpResponse:
    """One in a version, with its editor and the queues that ask it; a POST saves the next version."""
    is_change = request.method == "POST"
    found = access.get_label_set_or_404(request.user, label_set_id, to_change=is_change)
    newest = found.versions.aggregate(last=Max("number"))["last"]
    version = found.versions.filter(number=number_asked(request, "version") or newest).first() or found.versions.first()
    if not is_change:
        return _editor(request, found.name, version.text if version else "", label_set=found, version=version)
    text = request.POST.get("text", "")
    try:
        made = label_sets.save(found, text, cast(User, request.user))
    except UserError as error:
        return _editor(request, found.name, text, str(error), found, version)
    messages.success(request, f"Version {made.number} was saved. Queues that ask an older one keep it.")
    return redirect("review:label_set_detail", found.pk)


def _editor(
    request: HttpRequest,
    name: str,
    text: str,
    wrong: str = "",
    label_set: LabelSet | None = None,
    version: LabelSetVersion | None = None,
) -> HttpResponse:
    queues = access.queues_for(request.user).filter(version=version) if version else ()
    context: dict[str, Any] = {
        "nav": "review",
        "name": name,
        "text": text,
        "wrong": wrong,
        "label_set": label_set,
        "version": version,
        "versions": list(label_set.versions.defer("text", "questions")) if label_set else [],
        "questions": from_stored(version.questions) if version else [],
        "kinds": KINDS,
        "queues": list(queues[:QUEUES_SHOWN]),
        "may_save": label_set is None or access.can_change(request.user, label_set.team_id),
    }
    return render(request, "review/label_set_detail.html", context, status=422 if wrong else 200)
