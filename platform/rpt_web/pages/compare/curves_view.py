"""Curves of the basket's runs over each other: the form of the page, and where a point leads.

In: the basket, and what the address asks for. Out: the context of the view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.http import HttpRequest

from rpt_web.compare import curves as data
from rpt_web.compare.curve_figures import AXES, SMOOTHING, curves_of_basket, metric_title, usual_axis
from rpt_web.exhibits.refs import COMPARE, ref_of
from rpt_web.pages.compare.shown import ShownBasket
from rpt_web.pages.group_addresses import ANY_STEP, address_of_list
from rpt_web.runs.seed_groups import seed_groups
from rpt_web.traces.models import RolloutShard


def curves_of(request: HttpRequest, basket: ShownBasket) -> dict[str, Any]:
    """The context of the view."""
    runs = list(dict.fromkeys(shown.run.pk for shown in basket.entries))
    with_responses = _with_responses(runs)
    values = request.GET.dict()
    axis = values.get("x", "") if values.get("x") in AXES else usual_axis(basket.entries)
    found = curves_of_basket(basket.entries, values | {"x": axis}, with_responses)
    if not found.figures and "x" not in values:  # nobody wrote down the compute
        found = curves_of_basket(basket.entries, values, with_responses)
    asked = found.asked
    leads = bool(with_responses) and not (asked.minus or asked.by_seed)
    figures = [
        replace(
            figure,
            place=_place(name) if leads else "",
            ref=ref_of(COMPARE, basket.subject, f"curves/{asked.query(name)}"),
        )
        for name, figure in found.figures
    ]
    return {
        "asked": asked,
        "metrics": [(name, f"{metric_title(name)} ({found.counts[name]} of {len(runs)} runs)") for name in found.names],
        "axes": [(name, axis.title) for name, axis in AXES.items()],
        "smoothing": list(SMOOTHING.items()),
        "figures": figures,
        "figures_json": [figure.as_json() for figure in figures],
        "may_subtract": len(basket.entries) == 2,
        "has_seeds": any(len(group) > 1 for _, group in seed_groups(basket.runs)),
    }


def _place(name: str) -> str:
    """The address of the responses that a point of a metric stands for."""
    return address_of_list(0, "" if data.is_accuracy(name) else "train", ANY_STEP).replace("run=0&", "")


def _with_responses(runs: Sequence[int]) -> frozenset[int]:
    """Those whose responses are kept (1 query)."""
    return frozenset(RolloutShard.objects.filter(run__in=runs).order_by().values_list("run", flat=True).distinct())
