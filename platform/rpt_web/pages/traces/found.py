"""A response that was opened from a search: its neighbours are the other hits."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

from rpt_web import access
from rpt_web.pages.addresses import number_asked
from rpt_web.searches.models import Search, SearchHit
from rpt_web.traces.models import Rollout


@dataclass(frozen=True)
class FoundBy:
    """The search that the address names, and the hits beside this one."""

    search: Search
    previous: str
    next: str


def found_by(request: HttpRequest, rollout: Rollout) -> FoundBy | None:
    """The search that the address names (3 queries); None without one, and for one that is forgotten."""
    key = number_asked(request, "search")
    search = None if key is None else access.searches_for(request.user).filter(pk=key).first()
    if search is None:
        return None
    hits = access.hits_for(request.user, search)
    own = hits.filter(run_id=rollout.run_id, rollout=rollout.id).values_list("number", flat=True).first() or 0
    before = hits.filter(number__lt=own).order_by("-number").first()
    after = hits.filter(number__gt=own).order_by("number").first()
    return FoundBy(search, _address(before), _address(after))


def _address(hit: SearchHit | None) -> str:
    if hit is None:
        return ""
    return reverse("traces:rollout_detail", args=[hit.run_id, hit.rollout]) + f"?search={hit.search_id}"
