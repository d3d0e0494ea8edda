"""Searches: the form with the team's searches, and one of them with its hits, which come in while it reads."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.jobs.models import QUICK_QUEUE, JobState
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.rights import current_team
from rpt_web.pages.searches.forms import SearchForm
from rpt_web.pages.searches.lists import lists_of
from rpt_web.runs import queues
from rpt_web.searches import services
from rpt_web.searches.models import Search
from rpt_web.teams.models import User

HITS_PER_PAGE = 50
SEARCHES_SHOWN = 20


@require_http_methods(["GET", "HEAD", "POST"])
def search_list(request: HttpRequest) -> HttpResponse:
    """GET shows the form, filled from the address, and the team's searches; POST starts one."""
    form = SearchForm(request, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        team = current_team(request)
        if team is None:
            raise PermissionDenied("You are in no team. Ask an administrator of one to invite you.")
        try:
            user = cast(User, request.user)
            made = services.start(team, user, form.wanted(), form.searched_runs(), form.filters())
            return redirect("searches:search_detail", made.pk)
        except UserError as error:
            form.add_error(None, str(error))
    searches = list(access.searches_for(request.user)[:SEARCHES_SHOWN])
    within, *lists = lists_of(request, [form.list_asked, *(_list_of(search) for search in searches)])
    context = {
        "nav": "traces",
        "form": form,
        "within": within,
        "offered": [] if within else form.offered_runs(),
        "searches": [
            (search, services.in_words(search), of, _matching(search))
            for search, of in zip(searches, lists, strict=True)
        ],
        "kept_days": services.KEPT_DAYS,
    }
    return render(request, "searches/search_list.html", context, status=422 if form.errors else 200)


@require_safe
def search_detail(request: HttpRequest, search_id: int) -> HttpResponse:
    """A search: how far it is, and a page of its hits. While it reads, htmx asks for both each second."""
    search = access.get_search_or_404(request.user, search_id)
    context = _detail(request, search)
    is_part = request.headers.get("HX-Target") == "search"
    return render(request, "searches/_search.html" if is_part else "searches/search_detail.html", context)


@require_POST
def search_stop(request: HttpRequest, search_id: int) -> HttpResponse:
    """End it; what was found so far stays."""
    search = access.get_search_or_404(request.user, search_id, to_stop=True)
    try:
        services.stop(search, cast(User, request.user))
    except UserError as error:
        messages.error(request, str(error))
    return redirect("searches:search_detail", search.pk)


def _detail(request: HttpRequest, search: Search) -> dict[str, Any]:
    after = number_asked(request, "after") or 0
    hits = access.hits_for(request.user, search)
    rows = list(hits.filter(number__gt=after).order_by("number")[: HITS_PER_PAGE + 1])
    earlier = list(hits.filter(number__lte=after).order_by("-number").values_list("number", flat=True)[:HITS_PER_PAGE])
    runs = access.runs_for(request.user).filter(pk__in=search.runs).in_bulk()
    counts = services.counts_of(search, runs)
    return {
        "nav": "traces",
        "search": search,
        "job": search.job,
        "where": services.in_words(search),
        "within": lists_of(request, [_list_of(search)])[0],
        "is_unheard": search.job is not None
        and search.job.state == JobState.QUEUED
        and not queues.is_heard(QUICK_QUEUE),
        "may_stop": access.can_stop(request.user, search),
        "counts": counts,
        "by_run": [(runs[run], count) for run, count in counts["by_run"].items()],
        "hits": rows[:HITS_PER_PAGE],
        "next": rows[HITS_PER_PAGE - 1].number if len(rows) > HITS_PER_PAGE else None,
        "previous": None if not after else earlier[-1] - 1 if earlier else 0,
        "after": after,
        "kept": services.HITS_KEPT,
        "kept_days": services.KEPT_DAYS,
    }


def _list_of(search: Search) -> str:
    return services.filters_of(search).traces


def _matching(search: Search) -> int | None:
    """Hits in all its runs, for the list; None while it has not ended."""
    job = search.job
    if job is None or not job.has_ended:
        return None
    by_run: list[tuple[int, int]] = job.result.get("by_run", [])
    return sum(count for _, count in by_run)
