"""Figures and tables by their refs: who may see what one is about sees it."""

from __future__ import annotations

from django.http import Http404

from rpt_web.access.results import standings_for
from rpt_web.access.review import could_take_back, get_queue_or_404, seen_reviews
from rpt_web.access.roles import Actor
from rpt_web.access.work import experiments_for, get_experiment_or_404, get_run_or_404, runs_for
from rpt_web.exhibits import building
from rpt_web.exhibits.exhibit import Exhibit
from rpt_web.exhibits.reading import ReadOnce
from rpt_web.exhibits.refs import ExhibitRef, parsed
from rpt_web.exhibits.seen import ExhibitScope


def get_exhibit_or_404(user: Actor, text: str) -> Exhibit:
    """The exhibit of a ref, as the user may see it. Raises Http404."""
    ref = parsed(text)
    found = _exhibit(user, ref) if ref else None
    if found is None:
        raise Http404(f"There is no figure or table {text[:200]!r}. The menu of a figure or a table leads to it.")
    return found


def _exhibit(user: Actor, ref: ExhibitRef) -> Exhibit | None:
    if ref.kind in building.SEVERAL:
        experiments = experiments_for(user).filter(archived_at=None)
        return building.of_several(ref, ExhibitScope(runs_for(user), experiments, standings_for(user)))
    if ref.kind == "run":
        return building.of_run(get_run_or_404(user, ref.pk), ref.rest, ReadOnce())
    if ref.kind == "experiment":
        return building.of_experiment(get_experiment_or_404(user, ref.pk), ref.rest, ReadOnce())
    queue = get_queue_or_404(user, ref.pk)
    # What somebody may still change could follow what the table tells.
    open_to_change = queue.items.filter(could_take_back(user.pk or 0))
    return building.of_queue(queue, ref.rest, seen_reviews(user, queue).exclude(item__in=open_to_change.values("pk")))
