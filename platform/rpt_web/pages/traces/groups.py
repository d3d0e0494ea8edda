"""Traces: groups of responses in all runs that somebody may see, by what the address asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from rpt_core.config import DIFFICULTIES
from rpt_web import access
from rpt_web.compare.positions import ComparedSet
from rpt_web.pages.group_addresses import run_page
from rpt_web.pages.position_addresses import place_of, query_of
from rpt_web.pages.traces.compared_words import words_of
from rpt_web.pages.traces.group_words import Said, Told, facets_of, facets_of_reviews, told
from rpt_web.traces import group_filters, group_lists
from rpt_web.traces.group_filters import ALL, GroupFilters
from rpt_web.traces.models import ResponseGroup
from rpt_web.traces.queries import KIND_LABELS
from rpt_web.traces.ready_lists import READY_LISTS

CHOICES = (
    ("kind", "Kind", list(KIND_LABELS.items())),
    ("difficulty", "Difficulty", [(name, name if name == "hard" else f"{name} or harder") for name in DIFFICULTIES]),
    ("solved", "Rewarded", [(name, words) for name, (words, _) in group_filters.SOLVED.items()]),
    ("mark", "Against the run's other responses", list(group_filters.MARKS.items())),
    ("reason", "Some response has", list(group_filters.REASON_WORDS.items())),
    ("pattern", "Some thought has a keyword of", list(group_filters.PATTERN_WORDS.items())),
)
"""Name, label and choices of what is always in sight."""


@dataclass(frozen=True)
class ShownGroup:
    """A row of the list."""

    group: ResponseGroup
    address: str
    """Of its first response, from which the list can be walked on."""
    everywhere: str
    """Of its position in all runs; empty where that is not known."""

    @property
    def run_page(self) -> str:
        """Of its run."""
        return run_page(self.group.run_id)

    @property
    def marks(self) -> list[str]:
        """What is special about it, in words."""
        marks = group_filters.MARKS
        return [marks[name] for name in group_filters.COUNTED_MARKS if getattr(self.group, name)]


@require_safe
def group_list(request: HttpRequest) -> HttpResponse:
    """A page of groups; htmx asks for the list alone."""
    sets, is_part = _compared(request), request.headers.get("HX-Target") == "groups"
    filters, runs = asked(request, sets), access.runs_for(request.user)
    labels = access.labels_offered(request.user) if filters.label or not is_part else {}
    page = group_lists.group_page(
        runs, filters, after=request.GET.get("after", ""), before=request.GET.get("before", "")
    )
    context = {
        "nav": "traces",
        "filters": filters,
        "search_query": list_query(filters),
        "told": _told(request, filters, sets, labels),
        "rows": _shown(page.rows, filters),
        "previous_query": filters.query(before=page.previous) if page.previous else "",
        "next_query": filters.query(after=page.next) if page.next else "",
    }
    if is_part:
        response = render(request, "traces/_groups.html", context)
        response["HX-Push-Url"] = f"{request.path}?{filters.query()}".rstrip("?")
        return response
    return render(request, "traces/group_list.html", context | _form(filters, labels))


@require_safe
def group_counts(request: HttpRequest) -> HttpResponse:
    """How many groups match and of what kind they are: a part of the list, which comes after it."""
    filters, runs = asked(request), access.runs_for(request.user)
    counts = group_lists.group_counts(runs, filters)
    names = {run.pk: run for run in runs.filter(pk__in=counts.runs)}
    return render(request, "traces/_group_counts.html", {"counts": counts, "facets": facets_of(counts, filters, names)})


@require_safe
def review_counts(request: HttpRequest) -> HttpResponse:
    """What reviewers said of the groups of a list: a part of it, which takes as long as all other counts."""
    filters, labels = asked(request), access.labels_offered(request.user)
    said = Said(access.judged_counts(request.user, filters) if labels else {}, labels)
    return render(request, "traces/_review_counts.html", {"facets": facets_of_reviews(said, filters)})


@require_safe
def reviewers(request: HttpRequest) -> HttpResponse:
    """Whom the filter by reviewer offers. It comes after the page: where many reviews wait, it takes a while."""
    chosen = request.GET.get("reviewer", "")
    names = dict.fromkeys([*access.reviewers_offered(request.user), *filter(None, [chosen])])
    context = {"reviewers": [(name, name) for name in names], "chosen": chosen}
    return render(request, "traces/_reviewers.html", context)


@require_safe
def group_walk(request: HttpRequest, run_id: int, rollout_id: int) -> HttpResponse:
    """The groups before and after that of a response, in the list that the query names: a part of its page."""
    _, rollout = access.get_rollout_or_404(request.user, run_id, rollout_id)
    sets = _compared(request)
    filters, runs = asked(request, sets), access.runs_for(request.user)
    labels = access.labels_offered(request.user) if filters.label else {}
    place = {"run": run_id, "step": rollout.step, "kind": rollout.kind, "group": rollout.group}
    group = ResponseGroup.objects.filter(**place).first()
    before, after = group_lists.neighbours(runs, filters, group) if group else (None, None)
    context = {
        "previous": address_of(before, filters) if before else "",
        "next": address_of(after, filters) if after else "",
        "query": filters.query(),
        "told": _told(request, filters, sets, labels),
    }
    return render(request, "traces/_group_walk.html", context)


def address_of(group: ResponseGroup, filters: GroupFilters) -> str:
    """Where a group is read, on the way through a list."""
    return f"{_page_of(group)}?{list_query(filters)}"


def list_query(filters: GroupFilters) -> str:
    """What names the list in the address of a page that is read on the way through it."""
    return urlencode({"traces": filters.query() or ALL})


def _page_of(group: ResponseGroup) -> str:
    return reverse("traces:rollout_detail", args=[group.run_id, group.first_rollout])


def _shown(groups: Sequence[ResponseGroup], filters: GroupFilters) -> list[ShownGroup]:
    query = list_query(filters)
    return [
        ShownGroup(
            group,
            f"{_page_of(group)}?{query}",
            f"{place_of(group.position)}?{query_of(group)}" if group.position else "",
        )
        for group in groups
    ]


def asked(request: HttpRequest, sets: Mapping[str, ComparedSet] | None = None) -> GroupFilters:
    """What the address asks for, for whoever looks. sets: the positions of a comparison, where they are known."""
    return access.resolved(request.user, GroupFilters.from_query(request.GET), sets)


def _compared(request: HttpRequest) -> dict[str, ComparedSet]:
    """The positions of a comparison that the address names, by that name (2 queries, or none)."""
    name = GroupFilters.from_query(request.GET).compared
    return access.compared_sets(request.user, [name]) if name else {}


def _told(
    request: HttpRequest, filters: GroupFilters, sets: Mapping[str, ComparedSet], labels: Mapping[str, str]
) -> list[Told]:
    """The filters in words (at most 2 queries)."""
    runs = access.runs_for(request.user)
    named = list(runs.filter(pk__in=filters.named_runs)) if filters.named_runs else []
    compared = words_of(request, [filters.compared], sets).get(filters.compared, "")
    return told(filters, named, labels, compared)


def _form(filters: GroupFilters, labels: Mapping[str, str]) -> dict[str, Any]:
    ends = filters.ends
    return {
        "labels": list(labels.items()),
        "choices": [(name, label, pairs, getattr(filters, name)) for name, label, pairs in CHOICES],
        "orders": list(group_filters.ORDER_WORDS.items()),
        "finishes": list(group_filters.FINISH_WORDS.items()),
        "ranges": [
            (name, label, *(f"{ends[end]:g}" if end in ends else "" for end in (f"{name}_from", f"{name}_to")))
            for name, (_, label) in group_filters.RANGES.items()
        ],
        "runs_text": ", ".join(map(str, filters.runs)),
        "experiments_text": ", ".join(map(str, filters.experiments)),
        "ready_lists": [_ready(ready.name, ready.why, ready.query, filters) for ready in READY_LISTS],
        "has_more": _has_more(filters),
    }


def _ready(name: str, why: str, query: dict[str, str], filters: GroupFilters) -> dict[str, Any]:
    """A ready list within the runs, and the comparison's positions, that are chosen."""
    within = GroupFilters(runs=filters.runs, experiments=filters.experiments, at=filters.at, compared=filters.compared)
    address = within.query(**query)
    return {"name": name, "why": why, "query": address, "is_chosen": address == filters.query()}


def _has_more(filters: GroupFilters) -> bool:
    """Whether a filter is set that is folded away otherwise."""
    folded = (filters.ranges, filters.document, filters.domain, filters.finish, filters.experiments)
    said = (filters.label, filters.reviewer, filters.disputed)
    return any((*folded, *said, filters.boxes, filters.white_space, filters.alarm))
