"""Baskets of runs to compare: a team's own. What stands in one is seen by who may see the runs."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from rpt_web.access.roles import Actor, found_or_404, missing, require_change, roles_of
from rpt_web.access.work import runs_for
from rpt_web.compare.models import Basket, PositionComparison
from rpt_web.runs.models import Run

_MADE_AGAIN = (
    "A comparison is kept for some weeks, for those who may see all of its runs. Open its runs and make it again."
)


def baskets_for(user: Actor) -> QuerySet[Basket]:
    """Baskets of the teams that the user is in, by name."""
    return Basket.objects.filter(team__in=list(roles_of(user))).select_related("team", "created_by")


def get_basket_or_404(user: Actor, basket_id: int, *, to_change: bool = False) -> Basket:
    """One that the user may see. Raises Http404, or PermissionDenied when it is to be changed and may not be."""
    found = found_or_404(baskets_for(user).filter(pk=basket_id), "basket", basket_id, "The page Compare shows them.")
    if to_change:
        require_change(user, found.team_id)
    return found


def runs_by_id(user: Actor, ids: Iterable[int], *, with_settings: bool = False) -> dict[int, Run]:
    """Of some runs by their ids those that the user may see (1 query); what they were asked for and run with has to be
    wanted."""
    rows = runs_for(user).select_related(None).select_related("experiment").defer("log_tail", "result", "error")
    return (rows if with_settings else rows.defer("config", "plan")).in_bulk(list(ids))


def get_comparison_or_404(user: Actor, comparison_id: int, *, also_unmade: bool = False) -> PositionComparison:
    """One that is made, without its tables; or one that perhaps is still to be, with its job. Of runs all of which the
    user may see. Raises Http404."""
    made, with_job = PositionComparison.light().exclude(made_at=None), PositionComparison.objects.select_related("job")
    rows = (with_job if also_unmade else made).filter(pk=comparison_id)
    found = found_or_404(rows, "comparison", comparison_id, _MADE_AGAIN)
    seen = runs_for(user).filter(pk__in=found.runs).count()
    if seen < len(found.runs):
        raise missing("comparison", comparison_id, _MADE_AGAIN)
    return found
