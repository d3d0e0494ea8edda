"""The page Compare: why do two or more runs differ. Runs and checkpoints of any experiment, the baseline leftmost.

The address holds the whole comparison: runs, view, what is ignored. A basket that the team keeps has an address of its
own. Changing it there leads to the long address, until somebody keeps the changed basket.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from rpt_web import access
from rpt_web.compare import entries as lists
from rpt_web.compare.entries import BasketEntry
from rpt_web.compare.models import Basket
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.compare.curves_view import curves_of
from rpt_web.pages.compare.positions_view import positions_of
from rpt_web.pages.compare.settings_view import settings_of
from rpt_web.pages.compare.shown import KEPT_IN_ADDRESS, ShownBasket, address, found_runs, shown_basket, tabs
from rpt_web.results.models import Evaluation
from rpt_web.runs.models import StepMetrics

MAKERS: dict[str, Callable[[HttpRequest, ShownBasket], dict[str, Any]]] = {
    "settings": settings_of,
    "curves": curves_of,
    "positions": positions_of,
}
"""View -> what gives its context."""
BASKETS_SHOWN = 50


@require_safe
def basket(request: HttpRequest) -> HttpResponse:
    """What the address names; with `experiment` the runs of one that there is something to compare of. What was
    ticked in a list comes as several `runs`, or, where nothing was, as `else`."""
    if (experiment := number_asked(request, "experiment")) is not None:
        return redirect(_of_experiment(request, experiment))
    if "else" in request.GET:
        ticked = lists.read_entries(",".join(request.GET.getlist("runs") or [request.GET["else"]]))[0]
        return redirect(f"{reverse('compare:basket')}?{urlencode(lists.query_of(ticked), safe=',@:')}")
    key = number_asked(request, "basket")
    kept = access.baskets_for(request.user).filter(pk=key).first() if key is not None else None
    return _page(request, request.GET.get("runs", ""), kept, reverse("compare:basket"))


@require_safe
def saved(request: HttpRequest, basket_id: int) -> HttpResponse:
    """A basket that the team keeps."""
    kept = access.get_basket_or_404(request.user, basket_id)
    return _page(request, kept.entries, kept, reverse("compare:saved", args=[kept.pk]))


def _page(request: HttpRequest, text: str, kept: Basket | None, here: str) -> HttpResponse:
    view = request.GET.get("view", "")
    view = view if view in MAKERS else next(iter(MAKERS))
    found = shown_basket(request, text, with_settings=view != "positions")
    context: dict[str, Any] = {
        "nav": "compare",
        "basket": found,
        "kept": kept,
        "is_changed": kept is not None and kept.entries != found.written,
        "may_change_kept": kept is not None and access.can_change(request.user, kept.team_id),
        "view": view,
        "tabs": tabs(request, view, here),
        "search": request.GET.get("q", ""),
        "found": found_runs(request, found),
        "hidden": [(name, request.GET[name]) for name in KEPT_IN_ADDRESS if name in request.GET and name != "basket"],
        "baskets": list(access.baskets_for(request.user)[:BASKETS_SHOWN]) if not found.entries else [],
    }
    if found.entries:
        context |= MAKERS[view](request, found)
    if request.headers.get("HX-Target") == "compared":
        return render(request, "compare/_positions.html", context)
    return render(request, "compare/basket.html", context)


def _of_experiment(request: HttpRequest, experiment_id: int) -> str:
    """Its evaluated runs; where there are none, those with metrics; else all."""
    experiment = access.get_experiment_or_404(request.user, experiment_id)
    runs = experiment.runs.order_by("id").only("pk")
    evaluated = runs.filter(Exists(Evaluation.objects.filter(run=OuterRef("pk"))))
    measured = runs.filter(Exists(StepMetrics.objects.filter(run=OuterRef("pk"))))
    chosen = next((list(rows) for rows in (evaluated, measured, runs) if rows.exists()), [])
    return address(request, lists.added([], [BasketEntry(run.pk) for run in chosen]))
