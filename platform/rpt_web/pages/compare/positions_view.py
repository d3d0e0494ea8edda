"""What the basket's runs get right at the same positions: each against the baseline, every two, seeds together.

In: the basket, and what the address asks for. Out: the context of the view, from what a job has stored; without it,
what would be compared and a button to have it made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.compare import comparisons
from rpt_web.compare.comparisons import EvaluatedEntry, ToCompare, to_compare
from rpt_web.compare.entries import BasketEntry, replaced
from rpt_web.compare.evaluated import evaluations_of
from rpt_web.compare.models import PositionComparison
from rpt_web.compare.noise import floors_across, noise_of_modes
from rpt_web.exhibits.comparison_tables import SEEDS_COVER, TABLES
from rpt_web.exhibits.noise_table import NOISE
from rpt_web.exhibits.refs import COMPARE, ref_of
from rpt_web.jobs.models import QUICK_QUEUE, JobState
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.compare.shown import ModeChoice, ShownBasket, ShownEntry, address, shown_basket
from rpt_web.results.caveats import FORMAT_WORDS, of_format
from rpt_web.results.queries import mode_label
from rpt_web.runs import queues
from rpt_web.teams.models import User

ALIKE = 0.05
"""Two runs have spent the same compute when it differs by no more than this share."""
MOST_WITH_MODES = 50
"""Entries of a basket that have links to their modes: each link holds the whole address."""
Leads = Callable[[int, int], str]
KINDS = (("domain", "Domain"), ("type", "Type of the next token"), ("length", "Length of the next token"))


def positions_of(request: HttpRequest, basket: ShownBasket) -> dict[str, Any]:
    """The context of the view."""
    wanted = to_compare([(shown.entry, shown.run) for shown in basket.entries], request.GET.get("mode", ""))
    row = comparisons.stored(wanted)
    own = [shown.entry for shown in basket.entries if shown.entry.mode]
    context: dict[str, Any] = {
        "wanted": wanted,
        "basket": _with_modes(request, basket, wanted),
        "modes": [(mode, mode_label(mode), _with(request, mode=mode, pair="")) for mode in wanted.modes]
        if len(own) < len(basket.entries) else [],
        "in_one_mode": address(request, _in_one_mode(basket)) if own else "",
        "most_with_modes": MOST_WITH_MODES if len(basket.entries) > MOST_WITH_MODES else None,
        "left_out": [(basket.entries[place], why) for place, why in wanted.missing.items()],
        "comparison": row,
        "job": row.job if row and row.made_at is None else None,
        "is_unheard": row is not None and row.job is not None and row.job.state == JobState.QUEUED
        and not queues.is_heard(QUICK_QUEUE),
        "may_start": comparisons.FEWEST <= len(wanted.entries) <= comparisons.MOST,
        "most_compared": comparisons.MOST if len(wanted.entries) > comparisons.MOST else None,
    }  # fmt: skip
    if row is not None and row.made_at is not None:
        context |= _made(request, basket, wanted, row)
    return context


@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Have the comparison made of what is posted; whoever reads may: nothing but the comparison comes of it."""
    basket = shown_basket(request, request.POST.get("runs", ""))
    wanted = to_compare([(shown.entry, shown.run) for shown in basket.entries], request.POST.get("mode", ""))
    try:
        comparisons.start(wanted, cast(User, request.user))
    except UserError as error:
        messages.error(request, str(error))
    query = {"runs": basket.written, "view": "positions", "mode": wanted.mode}
    return redirect(f"{reverse('compare:basket')}?{urlencode(query, safe=',@:')}")


def _made(request: HttpRequest, basket: ShownBasket, wanted: ToCompare, row: PositionComparison) -> dict[str, Any]:
    data = row.data
    shown = [_named(basket.entries[one.place], one, wanted) for one in wanted.entries]
    level = request.GET.get("difficulty", "")
    level = level if level in data["levels"] else data["levels"][-1]
    pair = number_asked(request, "pair") or 1
    pair = pair if pair < len(shown) else 1
    return {
        "level": level,
        "levels": [(name, _with(request, difficulty=name), name == level) for name in data["levels"]],
        "rows": _rows(request, wanted, shown, row, level),
        "pair": _pair(request, shown, row, level, pair) if level in data["with_baseline"][pair - 1]["levels"] else None,
        "format_words": FORMAT_WORDS,
        "seeds_cover": SEEDS_COVER,
        "groups": _groups(shown, data["groups"].get(level, [])),
        "matrix": _matrix(shown, row, level) if len(shown) > 2 else None,
        "most_in_matrix": comparisons.MOST_IN_MATRIX,
        "comparisons": sum(level in other["levels"] for other in data["with_baseline"]),
        "pairs_compared": len(data["matrix"].get(level, [])),
        "resamples": data["resamples"],
        "matched_by_name": [shown[place] for place in data["matched_by_name"]],
        "noises": (noises := noise_of_modes(wanted.entries, access.runs_for(request.user), level)),
        "across": floors_across(noises),
        "refs": {name: ref_of(COMPARE, basket.subject, f"{name}/{wanted.mode}/{level}") for name in TABLES}
        | {NOISE: ref_of(COMPARE, basket.subject, f"{NOISE}/{wanted.mode}")},
    }  # fmt: skip


def _with_modes(request: HttpRequest, basket: ShownBasket, wanted: ToCompare) -> ShownBasket:
    """The basket with the modes that each entry may be compared in, where there are several."""
    if len(wanted.modes) < 2 or len(basket.entries) > MOST_WITH_MODES:
        return basket
    entries = [shown.entry for shown in basket.entries]

    def choice(entry: BasketEntry, mode: str) -> ModeChoice:
        title = mode_label(mode) if mode else f"as all: {mode_label(wanted.mode)}"
        other = address(request, replaced(entries, entry, replace(entry, mode=mode)))
        return ModeChoice(title, other, mode == entry.mode)

    return replace(
        basket,
        entries=[
            replace(shown, modes=[choice(shown.entry, mode) for mode in ("", *had)])
            for shown, had in zip(basket.entries, wanted.modes_of, strict=True)
        ],
    )


def _in_one_mode(basket: ShownBasket) -> list[BasketEntry]:
    return list(dict.fromkeys(replace(shown.entry, mode="") for shown in basket.entries))


def _named(shown: ShownEntry, one: EvaluatedEntry, wanted: ToCompare) -> ShownEntry:
    """The entry, its mode in its label where modes differ."""
    if not wanted.is_mixed or shown.entry.mode:
        return shown
    return replace(shown, label=f"{shown.label}, {mode_label(one.mode)}")


def _rows(
    request: HttpRequest, wanted: ToCompare, shown: Sequence[ShownEntry], row: PositionComparison, level: str
) -> list[dict[str, Any]]:
    """One for each evaluation, the baseline first."""
    base, evaluated, leads = wanted.entries[0].flops, evaluations_of(row), _leads_to(row, level)
    found = []
    for place, (entry, one) in enumerate(zip(wanted.entries, shown, strict=True)):
        pair = row.data["with_baseline"][place - 1] if place else None
        difference = pair["levels"].get(level) if pair else None
        ratio = entry.flops / base if entry.flops and base and place else None
        found.append(
            {
                "shown": one,
                "step": entry.step,
                "accuracy": row.data["accuracies"][place].get(level),
                "lost_format": of_format([evaluated[place][level]]) if level in evaluated[place] else "",
                "difference": difference,
                "left_out": pair["left_out"] if pair else 0,
                "other_texts": pair["other_texts"] if pair else 0,
                "flops": entry.flops,
                "ratio": ratio,
                "has_equal_compute": ratio is not None and abs(ratio - 1) <= ALIKE,
                "pair": _with(request, pair=str(place)) if place else "",
                "cells": _cells(leads, 0, place) if difference else {},
            }
        )
    return found


def _pair(
    request: HttpRequest, shown: Sequence[ShownEntry], row: PositionComparison, level: str, b: int
) -> dict[str, Any]:
    """The baseline and one other: the 2x2, and parts of the positions."""
    values, leads = row.data["with_baseline"][b - 1], _leads_to(row, level)
    slices = values["slices"].get(level, {})
    return {
        "a": shown[0],
        "b": shown[b],
        "values": values["levels"][level],
        "cells": _cells(leads, 0, b),
        "all": leads(0, b),
        "alone": address(request, [shown[0].entry, shown[b].entry]),
        "most_sliced": comparisons.MOST_SLICED,
        "slices": [
            (title, [(part, _cells(leads, 0, b, **{kind: part["name"]})) for part in slices[kind]])
            for kind, title in KINDS
            if slices.get(kind) and (kind != "domain" or any(part["name"] for part in slices[kind]))
        ],
    }


def _cells(leads: Leads, a: int, b: int, **more: str) -> dict[str, str]:
    """Where the cells of a 2x2 lead."""
    start, rest = leads(a, b), f"&{urlencode(more)}" if more else ""
    return {cell: f"{start}&cell={cell}{rest}" for cell in ("gained", "forgotten", "both", "neither")}


def _leads_to(row: PositionComparison, level: str) -> Leads:
    """What gives the address of the positions behind a number of two evaluations; a page has thousands of these."""
    here, difficulty = reverse("compare:positions", args=[row.pk]), urlencode({"difficulty": level})
    return lambda a, b: f"{here}?a={a}&b={b}&{difficulty}"


def _groups(shown: Sequence[ShownEntry], groups: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [group | {"shown": shown[group["places"][0]]} for group in groups]


def _matrix(
    shown: Sequence[ShownEntry], row: PositionComparison, level: str
) -> list[tuple[ShownEntry, list[Any]]] | None:
    """Row minus column; None where there were too many for it."""
    if level not in row.data["matrix"]:
        return None
    cells: dict[tuple[int, int], dict[str, Any]] = {}
    leads = _leads_to(row, level)
    for first, second, n, value, p, holm in row.data["matrix"][level]:
        more = {"n": n, "p": p, "holm": holm, "is_sure": holm is not None and holm < 0.05}
        cells[second, first] = more | {"value": value, "leads": leads(first, second)}
        cells[first, second] = more | {"value": -value, "leads": leads(second, first)}
    places = range(len(shown))
    return [(shown[one], [cells.get((one, other), {"is_same": one == other}) for other in places]) for one in places]


def _with(request: HttpRequest, **changes: str) -> str:
    query = request.GET.copy()
    for name, value in changes.items():
        query[name] = value
        if not value:
            del query[name]
    return f"{request.path}?{query.urlencode(safe=',@:')}"
