"""Searches in responses: a team's own, and of their hits what the user may see of the runs."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from rpt_web.access.compared_sets import resolved
from rpt_web.access.roles import Actor, can_administer, found_or_404, refusal, roles_of, seen
from rpt_web.access.work import runs_for
from rpt_web.runs.models import Run
from rpt_web.searches.models import Search, SearchHit
from rpt_web.searches.services import MOST_RUNS
from rpt_web.traces import group_lists
from rpt_web.traces.group_filters import GroupFilters
from rpt_web.traces.models import RolloutShard

_GONE = "A search is kept for two weeks, for those in its team. Start it again."


def searches_for(user: Actor) -> QuerySet[Search]:
    """Searches of the teams that the user is in, newest first. One within reviews, or a comparison's positions, its
    author alone sees."""
    found = Search.objects.filter(Q(is_personal=False) | Q(created_by=user.pk or 0), team__in=list(roles_of(user)))
    return found.select_related("job", "created_by", "team")


def get_search_or_404(user: Actor, search_id: int, *, to_stop: bool = False) -> Search:
    """One that the user may see. Raises Http404, or PermissionDenied when it is to be stopped and is not theirs."""
    search = found_or_404(searches_for(user).filter(pk=search_id), "search", search_id, _GONE)
    if to_stop and not can_stop(user, search):
        raise refusal(user, "Only who has started a search stops it, or an administrator of the team.")
    return search


def can_stop(user: Actor, search: Search) -> bool:
    """Whether the user may end it."""
    return search.created_by_id == user.pk or can_administer(user, search.team_id)


def hits_for(user: Actor, search: Search) -> QuerySet[SearchHit]:
    """Its hits in runs that the user may see."""
    found = search.hits.filter(seen(user, "experiment", "run__experiment__")).select_related("run")
    return found.defer("run__config", "run__plan", "run__result", "run__error", "run__log_tail")


def runs_to_search(user: Actor, filters: GroupFilters) -> list[Run]:
    """Runs that may have groups of a list of traces, newest first, one more than a search reads at most; none where
    the list is empty (2 queries)."""
    runs = searchable_runs(user)
    if not group_lists.group_page(runs, resolved(user, filters), limit=1).rows:
        return []
    return list(group_lists.scope(runs, filters)[: MOST_RUNS + 1])


def searchable_runs(user: Actor) -> QuerySet[Run]:
    """Runs that the user may see and that have responses, newest first."""
    return runs_for(user).filter(pk__in=RolloutShard.objects.values("run_id")).order_by("-id")
