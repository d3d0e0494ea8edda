"""The positions behind an accuracy of a run: which it got right, what it predicted, each leading to its page.

In: a run, the step of an evaluation, filters in the address. Out: positions, paged by their place in the file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from rpt_core.errors import UserError
from rpt_core.evaluation.outcomes import Outcomes
from rpt_web import access
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.group_addresses import KINDS_OF_MODES, address_of_list
from rpt_web.pages.position_addresses import pages_of
from rpt_web.results import outcomes as data
from rpt_web.results.outcomes import FoundOutcome, FoundOutcomes, OutcomeFilters
from rpt_web.results.queries import mode_label
from rpt_web.runs.models import Run
from rpt_web.traces.models import RolloutShard

PER_PAGE = 40


@require_safe
def evaluated_positions(request: HttpRequest, run_id: int, step: int) -> HttpResponse:
    """Positions of an evaluation in one mode: all of a difficulty, those that are right, or those that are wrong."""
    run = access.get_run_or_404(request.user, run_id)
    try:
        outcomes = data.outcomes_of(run, step)
    except UserError as error:
        raise Http404(str(error)) from None
    filters = OutcomeFilters.from_query(outcomes, request.GET.dict())
    found, after = data.found_outcomes(outcomes, filters), number_asked(request, "after")
    rows = found.rows(after, PER_PAGE + 1)
    places = _pages(request, run, step, filters, rows[:PER_PAGE])
    context: dict[str, Any] = {
        "nav": "runs",
        "run": run,
        "step": step,
        "filters": filters,
        "mode": mode_label(filters.mode),
        "modes": [(mode, mode_label(mode), _with(request, mode=mode, tau="", held_out="", thinks=""))
                  for mode in data.modes_of(outcomes)],
        "levels": [(level, _with(request, difficulty=level)) for level in data.levels_of(outcomes)],
        "sides": [(side, words, found.count(side), _with(request, right=side)) for side, words in data.SIDES.items()],
        "narrowed": _with(request, domain="") if filters.domain is not None else "",
        "thinking": _thinking(request, found) if filters.is_hybrid else [],
        "hybrid": _hybrid_words(found),
        "unthought": _unthought(request, outcomes, found),
        "accuracy": found.accuracy,
        "matching": found.count(filters.right),
        "positions": [(one, places.get(one.place, "")) for one in rows[:PER_PAGE]],
        "next": _with(request, after=str(rows[PER_PAGE - 1].place)) if len(rows) > PER_PAGE else "",
        "first": _with(request, after="") if after is not None else "",
        "wrote": _wrote(run, step, filters),
    }  # fmt: skip
    return render(request, "runs/evaluated_positions.html", context)


def _hybrid_words(found: FoundOutcomes) -> str:
    """Where the policy thinks; "" where the mode alone says so."""
    filters, mode = found.filters, mode_label(found.filters.mode)
    if filters.tau is not None:
        return f"thinking ({mode}) only where its own entropy without thinking is above {filters.tau:.3f} nats"
    if filters.held_out is None:
        return ""
    if not found.taus:
        return f"always thinking ({mode}): one document alone has no halves"
    first, second = map(_above, found.taus)
    return (
        f"thinking ({mode}) by its own entropy without thinking: {first} in one half of the documents, {second} in the "
        "other, each chosen on the other half"
    )


def _above(tau: float) -> str:
    if math.isinf(tau):
        return "never" if tau > 0 else "always"
    return f"above {tau:.3f} nats"


def _thinking(request: HttpRequest, found: FoundOutcomes) -> list[tuple[str, str, int, str]]:
    """At how many positions the policy thinks, and where these are."""
    return [
        (thinks, words, found.thinking(thinks), _with(request, thinks=thinks)) for thinks, words in data.THINKS.items()
    ]


def _unthought(request: HttpRequest, outcomes: Outcomes, found: FoundOutcomes) -> list[tuple[str, str, int, str]]:
    """Of a mode that thinks: what the standard answer is worth there; pressing the chosen one shows all again."""
    chosen = found.filters.standard
    if found.filters.mode == "standard" or "standard" not in data.modes_of(outcomes):
        return []
    return [
        (standard, words, found.unthought(standard), _with(request, standard="" if standard == chosen else standard))
        for standard, words in data.UNTHOUGHT.items()
    ]


def _pages(
    request: HttpRequest, run: Run, step: int, filters: OutcomeFilters, rows: Sequence[FoundOutcome]
) -> dict[int, str]:
    """The page of each position at which the run, or one of its experiment at the same positions, keeps responses."""
    sets = run.evaluations.filter(step=step).exclude(position_set="").values("position_set")
    runs = access.runs_for(request.user).filter(
        Q(pk=run.pk) | Q(experiment=run.experiment_id, evaluations__position_set__in=sets)
    )
    ids = list(runs.order_by().values_list("pk", flat=True).distinct())
    return pages_of(rows, ids, (run.pk, step, KINDS_OF_MODES.get(filters.mode, "sampled")))


def _wrote(run: Run, step: int, filters: OutcomeFilters) -> str:
    """The responses that the run wrote there; "" where there are none."""
    kinds = [KINDS_OF_MODES[filters.mode]] if filters.mode in KINDS_OF_MODES else ["sampled", "greedy"]
    kept = set(RolloutShard.objects.filter(run=run, step=step, kind__in=kinds).values_list("kind", flat=True))
    kind = next((kind for kind in kinds if kind in kept), "")
    more = {} if filters.difficulty == data.ALL else {"difficulty": filters.difficulty}
    more |= {"domain": filters.domain} if filters.domain else {}
    return address_of_list(run.pk, kind, step, **more) if kind else ""


def _with(request: HttpRequest, **changes: str) -> str:
    """The same page with other values in its query."""
    query = request.GET.copy()
    for name in ("after", *changes):
        query.pop(name, None)
    query.update({name: value for name, value in changes.items() if value})
    return f"?{query.urlencode()}"
