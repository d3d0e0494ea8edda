"""The positions behind a number of a comparison: won, lost and forgotten, by difficulty and domain, each leading on.

In: two evaluations of a stored comparison, filters in the address. Out: a page of positions, paged by their place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.compare import positions as data
from rpt_web.compare.entries import BasketEntry, written
from rpt_web.compare.models import PositionComparison
from rpt_web.compare.positions import ComparedPosition, ComparedSet
from rpt_web.compare.traced import name_of
from rpt_web.exports import PlainColumn, PlainTable, file_answer
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.group_addresses import address_of_evaluations, address_of_lists
from rpt_web.pages.position_addresses import pages_of
from rpt_web.results.queries import mode_label
from rpt_web.review.compared_queues import KINDS
from rpt_web.runs.models import Run
from rpt_web.runs.same_names import marks
from rpt_web.traces.inspector import readable

PER_PAGE = 50


@require_safe
def positions(request: HttpRequest, comparison_id: int) -> HttpResponse:
    """Positions of two of the comparison's evaluations, those of a cell of the 2x2 or all."""
    row = access.get_comparison_or_404(request.user, comparison_id)
    try:
        asked = ComparedSet.from_query(row, request.GET.dict())
    except UserError as error:
        raise Http404(str(error)) from None
    a, b, filters = asked.a, asked.b, asked.filters
    columns = asked.columns()
    rows, chosen = columns.kept(filters), columns.kept(filters, filters.cell)
    if ending := request.GET.get("file", ""):
        return file_answer(_table(row, a, b, columns.rows(chosen)), ending)
    after, matching = number_asked(request, "after"), int(chosen.sum())
    page = columns.rows(chosen, after, PER_PAGE + 1)
    runs = access.runs_by_id(request.user, {row.entries[place][0] for place in (a, b)})
    sides = [_side(asked, place, other, runs) for place, other in ((a, b), (b, a))]
    context: dict[str, Any] = {
        "nav": "compare",
        "comparison": row,
        "a": sides[0],
        "b": sides[1],
        "sides": sides,
        "traces": _traces(asked, [row.entries[place] for place in (a, b)]) if matching else "",
        "filters": filters,
        "levels": [(level, _with(request, difficulty=level)) for level in row.levels],
        "counts": _counts(request, columns.cells(rows)),
        "all_cells": (int(rows.sum()), _with(request, cell="")),
        "domains": _domains(request, columns.by_domain()),
        "narrowed": [(name, getattr(filters, name) or "none", _with(request, **{name: None}))
                     for name in ("domain", "type", "length") if request.GET.get(name) is not None],
        "positions": _leading(page[:PER_PAGE], row, asked),
        "matching": matching,
        "next": _with(request, after=str(page[PER_PAGE - 1].place)) if len(page) > PER_PAGE else "",
        "first": _with(request, after="") if after is not None else "",
        "files": [(ending, _with(request, file=ending)) for ending in ("csv", "parquet")],
        "back": _back(row, filters.difficulty),
        "queue": _queue(request, asked) if matching else "",
    }  # fmt: skip
    return render(request, "compare/positions.html", context)


def _queue(request: HttpRequest, asked: ComparedSet) -> str:
    """Where a queue of these positions is made; "" for who may make none, and where no response was written."""
    modes = {asked.comparison.entries[place][2] for place in (asked.a, asked.b)}
    if not modes & KINDS.keys() or not access.teams_to_change(request.user):
        return ""
    return f"{reverse('review:queue_of_groups')}?comparison={asked.comparison.pk}&{asked.query()}"


def _side(asked: ComparedSet, place: int, other: int, runs: dict[int, Run]) -> dict[str, Any]:
    """One of the two; its name has what tells it from the other."""
    entries = asked.comparison.entries
    (run, step, mode), (other_run, other_step, other_mode) = entries[place], entries[other]
    is_like = runs[run].name == runs[other_run].name
    name = runs[run].name + marks({pk: runs[pk].name for pk in (run, other_run)})[run]
    name += f", step {step:,}" if is_like and step != other_step else ""
    name += f", {mode_label(mode)}" if mode != other_mode else ""
    wrote = _traces(asked, [entries[place]]) if mode in KINDS else ""
    return {"run": runs[run], "name": name, "step": step, "mode": mode_label(mode), "traces": wrote}


def _traces(asked: ComparedSet, entries: Sequence[tuple[int, int, str]]) -> str:
    """What these evaluations wrote at the positions; where they wrote nothing, what their runs did."""
    wrote = [(run, step) for run, step, mode in entries if mode in KINDS]
    if not wrote:
        return address_of_lists([run for run, *_ in entries], compared=name_of(asked))
    kinds = {KINDS[mode] for *_, mode in entries if mode in KINDS}
    kind = kinds.pop() if len(kinds) == 1 else ""
    return address_of_evaluations(list(dict.fromkeys(wrote)), kind, compared=name_of(asked))


def _counts(request: HttpRequest, counts: Mapping[str, int]) -> list[tuple[str, str, int, str]]:
    """Each cell of the 2x2 with its words, its number, and where that leads."""
    return [(cell, words, counts[cell], _with(request, cell=cell)) for cell, words in data.CELLS.items()]


def _domains(
    request: HttpRequest, found: Sequence[tuple[str, Mapping[str, int]]]
) -> list[tuple[str, list[tuple[int, str]]]]:
    """Each domain with its cells and where they lead; nothing where there is one domain alone."""
    if len(found) < 2:
        return []
    return [
        (domain, [(count, _with(request, domain=domain, cell=cell)) for cell, count in counts.items()])
        for domain, counts in found
    ]


def _leading(
    rows: Sequence[ComparedPosition], row: PositionComparison, asked: ComparedSet
) -> list[tuple[ComparedPosition, str]]:
    """Each with the address of its position's page, where responses at it are kept (2 queries): those of the second
    evaluation, or, where its mode writes none, of the first."""
    sides = [(run, step, KINDS[mode]) for run, step, mode in (row.entries[asked.b], row.entries[asked.a])
             if mode in KINDS]  # fmt: skip
    found = pages_of(rows, row.runs, sides[0] if sides else None)
    return [(one, found.get(one.place, "")) for one in rows]


def _table(row: PositionComparison, a: int, b: int, rows: Sequence[ComparedPosition]) -> PlainTable:
    """The positions as a file."""
    names = [str(BasketEntry(*row.entries[place])) for place in (a, b)]
    columns = (
        *(PlainColumn(name, title) for name, title in (("document", "Document"), ("domain", "Domain"))),
        PlainColumn("byte_offset", "Byte", "count"),
        PlainColumn("entropy_nats", "Entropy (nats)", "number"),
        *(PlainColumn(name, title) for name, title in (("next_token", "Next token"), ("cell", "Cell"))),
        PlainColumn("a", f"Right, {names[0]}", "share"),
        PlainColumn("b", f"Right, {names[1]}", "share"),
        PlainColumn("a_prediction", f"Prediction, {names[0]}"),
        PlainColumn("b_prediction", f"Prediction, {names[1]}"),
    )
    values = [
        {
            **{name: getattr(one, name) for name in ("document", "domain", "byte_offset", "entropy_nats", "cell")},
            **{"next_token": _text(one.next_token), "a": one.value_a, "b": one.value_b},
            **{"a_prediction": _text(one.prediction_a), "b_prediction": _text(one.prediction_b)},
        }
        for one in rows
    ]
    return PlainTable(
        f"positions-{names[0]}-{names[1]}".replace("@", "-").replace(":", "-"),
        f"Positions of {names[0]} and {names[1]}",
        columns,
        values,
        came_from=[("run", names[0]), ("run", names[1])],
    )


def _text(content: bytes | None) -> str | None:
    return None if content is None else readable(content.decode(errors="backslashreplace"))


def _back(row: PositionComparison, difficulty: str) -> str:
    modes = row.modes
    entries = written(BasketEntry(run, step, mode if len(modes) > 1 else "") for run, step, mode in row.entries)
    return f"{reverse('compare:basket')}?runs={entries}&view=positions&mode={modes[0]}&difficulty={difficulty}"


def _with(request: HttpRequest, **changes: str | None) -> str:
    """The same page with other values in its query; a domain may be empty."""
    query = request.GET.copy()
    for name in ("after", "file", *changes):
        query.pop(name, None)
    for name, value in changes.items():
        if value or (name == "domain" and value is not None):
            query[name] = value or ""
    return f"?{query.urlencode()}"
