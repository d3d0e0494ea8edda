"""Pages of the audit trail: of a team, and of one thing, as a part that its page fetches when somebody asks for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from rpt_web import access
from rpt_web.pages.addresses import text_asked
from rpt_web.teams import trail

PAGES = {
    "corpus": "corpora:corpus_detail",
    "experiment": "experiments:experiment_detail",
    "ownplan": "plans:plan_detail",
    "registeredmodel": "models:model_detail",
    "run": "runs:run_detail",
    "wording": "wordings:wording_detail",
}
"""Where a thing has its page; it is not linked once it was removed."""


@require_safe
def team_trail(request: HttpRequest, team_id: int) -> HttpResponse:
    """Who did what in a team and when, newest first."""
    team = access.get_team_or_404(request.user, team_id)
    asked = {name: text_asked(request, name, 150) for name in ("who", "kind", "routine")}
    kind = asked["kind"] if asked["kind"] in trail.kinds() else ""
    filters = trail.TrailFilters(asked["who"], kind, bool(asked["routine"]))
    page = trail.of_team(team, filters, trail.TrailKey.parse(request.GET.get("before", "")))
    kept = {name: value for name, value in asked.items() if value}
    context = {
        "nav": "team",
        "team": team,
        "filters": filters,
        "lines": lines(page.changes),
        "people": trail.names_in(team),
        "kinds": sorted((name, model.pgh_tracked_model._meta.verbose_name) for name, model in trail.kinds().items()),
        "newest": urlencode(kept) if request.GET.get("before") else None,
        "older": urlencode(kept | {"before": str(page.older)}) if page.older else None,
    }
    return render(request, "teams/team_trail.html", context)


@require_safe
def thing_trail(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """The trail of one thing that the user may see."""
    thing = access.get_thing_or_404(request.user, kind, pk)
    return render(request, "teams/_changes.html", {"lines": lines(trail.of_object(thing))})


def lines(changes: Iterable[trail.TrailEntry]) -> list[tuple[trail.TrailEntry, str]]:
    """Each change with the address of what it is about."""
    removed: set[tuple[str, int]] = set()
    found: list[tuple[trail.TrailEntry, str]] = []
    for change in changes:
        if change.verb == trail.VERBS["delete"]:
            removed.add((change.kind, change.pk))
        is_there = change.kind in PAGES and (change.kind, change.pk) not in removed
        found.append((change, _address(change.kind, change.pk) if is_there else ""))
    return found


def _address(kind: str, pk: int) -> Any:
    return reverse(PAGES[kind], args=[pk])
