"""Rows of leaderboards: who sees them."""

from __future__ import annotations

from django.db.models import QuerySet

from rpt_web.access.roles import Actor, found_or_404
from rpt_web.access.work import experiments_for
from rpt_web.exhibits.seen import standings_of
from rpt_web.results.models import Standing


def standings_for(user: Actor) -> QuerySet[Standing]:
    """The rows of the experiments that the user may see, without those that are archived and the one in which single
    positions are run again: one position measures no model."""
    experiments = experiments_for(user).filter(archived_at=None).select_related(None)
    return standings_of(experiments)


def get_standing_or_404(user: Actor, pk: int) -> Standing:
    """A row that the user may see. Raises Http404."""
    return found_or_404(standings_for(user).select_related("experiment").filter(pk=pk), "row of results", pk)
