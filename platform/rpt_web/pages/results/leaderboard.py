"""The leaderboard: every model that was evaluated, ranked beside those that were asked the same at its positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from rpt_core.config import DIFFICULTIES
from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.exhibits import boards as board_exhibits
from rpt_web.exhibits.boards import UNKNOWN
from rpt_web.pages.addresses import number_asked, number_posted, text_asked, text_posted
from rpt_web.pages.results.lines import compared, lines_elsewhere, lines_of
from rpt_web.pages.rights import current_team, team_to_change
from rpt_web.results import boards, pins
from rpt_web.results.board import Board, BoardFilters
from rpt_web.results.headline import TRAINING
from rpt_web.results.lineage import stage_label
from rpt_web.results.models import PinnedBaseline, Standing
from rpt_web.results.queries import mode_label, mode_order
from rpt_web.runs.models import Experiment


@require_safe
def leaderboard(request: HttpRequest) -> HttpResponse:
    """All groups with their first rows, or all rows of the one that the address names."""
    filters = filters_asked(request)
    seen = access.standings_for(request.user)
    asked = request.GET.get("set", "")
    context = _one(request, seen, asked, filters) if asked else _all(request, seen, filters)
    experiment = _experiment(seen, filters)
    context |= {
        "nav": "results",
        "filters": filters,
        "query": _query(filters),
        "experiment": experiment,
        "choices": _choices(seen, filters),
        "difficulties": [(name, name) for name in DIFFICULTIES],
        "is_filtered": filters != BoardFilters(difficulty=filters.difficulty),
    }
    return render(request, "results/leaderboard.html", context)


@require_POST
def baseline(request: HttpRequest) -> HttpResponse:
    """Pin the posted row for the team, or take the pin of the posted group away; the filters stay as they were."""
    team = team_to_change(request)
    if (key := number_posted(request, "row")) is not None:
        standing = access.get_standing_or_404(request.user, key)
        try:
            pins.pin(team, standing, request.user)  # type: ignore[arg-type]  # who may change something has logged in
            messages.success(request, f"“{standing.name}” is the baseline of {team} here.")
        except UserError as error:
            messages.error(request, str(error))
        return redirect(_board_of(standing.group or UNKNOWN, filters_asked(request)))
    group = text_posted(request, "group", 32)
    if pins.unpin(team, group):
        messages.success(request, "No row is the baseline here any more.")
    return redirect(_board_of(group if group.isalnum() else "", filters_asked(request)))


def filters_asked(request: HttpRequest) -> BoardFilters:
    """What the address asks for."""
    difficulty = request.GET.get("difficulty", "")
    return BoardFilters(
        difficulty=difficulty if difficulty in DIFFICULTIES else "hard",
        mode=text_asked(request, "mode", 20),
        stage=text_asked(request, "stage", 20),
        experiment=number_asked(request, "experiment"),
        corpus=text_asked(request, "corpus", 300),
    )


def _experiment(seen: QuerySet[Standing], filters: BoardFilters) -> Experiment | None:
    """The one that the filters ask for, where rows of it may be seen."""
    if filters.experiment is None:
        return None
    row = seen.filter(experiment=filters.experiment).select_related("experiment").first()
    return row.experiment if row else None


def _all(request: HttpRequest, seen: QuerySet[Standing], filters: BoardFilters) -> dict[str, Any]:
    rows = filters.narrowed(seen)
    groups, more = boards.groups_of(rows, number_asked(request, "after"), boards.GROUPS_ON_A_PAGE)
    team_pins = _pins(request, seen, groups)
    baselines = {group: pin.standing for group, pin in team_pins.items()}
    found = boards.boards(seen, groups, filters, baselines, boards.ROWS_OF_A_GROUP)
    return {"sections": _sections(found, team_pins, filters), "more": more, "is_one": False}


def _one(request: HttpRequest, seen: QuerySet[Standing], asked: str, filters: BoardFilters) -> dict[str, Any]:
    group = "" if asked == UNKNOWN else asked[:32].replace("\x00", "")
    if not seen.filter(group=group).exists():
        raise Http404("There is no set of positions of this name at which anything that you may see was measured.")
    team_pins = _pins(request, seen, [group])
    chosen = _baseline(request, seen, group, team_pins)
    board, more = boards.board_page(seen, group, filters, chosen, number_asked(request, "after"), boards.ROWS_ON_A_PAGE)
    other = boards.elsewhere(seen, board.words, filters) if more is None else []
    return {
        "sections": _sections([board], team_pins, filters),
        "more": more,
        "is_one": True,
        "set": asked,
        "elsewhere": lines_elsewhere(other, filters.difficulty),
        "asked_baseline": number_asked(request, "baseline"),
    }


def baseline_asked(request: HttpRequest, group: str) -> Standing | None:
    """The row that the address names, where it is of this group; else the one that the team has pinned."""
    seen = access.standings_for(request.user)
    return _baseline(request, seen, group, _pins(request, seen, [group]))


def _baseline(
    request: HttpRequest, seen: QuerySet[Standing], group: str, team_pins: Mapping[str, PinnedBaseline]
) -> Standing | None:
    key = number_asked(request, "baseline")
    named = seen.filter(group=group, pk=key).first() if key is not None and group else None
    return named or (team_pins[group].standing if group in team_pins else None)


def _pins(request: HttpRequest, seen: QuerySet[Standing], groups: Sequence[str]) -> dict[str, PinnedBaseline]:
    team = current_team(request)
    return boards.pinned(seen, team.pk, groups) if team else {}


def _sections(
    found: Sequence[Board], team_pins: Mapping[str, PinnedBaseline], filters: BoardFilters
) -> list[dict[str, Any]]:
    """What the page says of each board."""
    leads = boards.leads_of(team_pins.values(), [row for one in found for row in one.rows])
    sections = []
    for one in found:
        pin = team_pins.get(one.words.group)
        is_pinned = pin is not None and one.baseline is not None and pin.standing_id == one.baseline.pk
        lines = lines_of(one, leads if is_pinned else {}, is_pinned)
        sections.append(
            {
                "board": one,
                "lines": lines,
                "address": one.words.group or UNKNOWN,
                "ref": board_exhibits.ref(one.words.group, filters, one.baseline),
                "pin": pin,
                "is_pinned": is_pinned,
                "compare": compared(one),
                "one_seed": all(not line.is_mean for line in lines),
                "several_seeds": any(line.is_mean for line in lines),
            }
        )
    return sections


def _choices(seen: Any, filters: BoardFilters) -> list[tuple[str, str, list[tuple[str, str]], str]]:
    """(name, label, options, chosen) of each list of the filters."""
    modes = sorted(set(seen.order_by().values_list("mode", flat=True).distinct()), key=mode_order)
    stages = [(name, stage_label(name)) for name in TRAINING]
    corpora = [(name, name) for name in boards.corpora_of(seen)]
    return [
        ("mode", "Mode", [(mode, mode_label(mode)) for mode in modes], filters.mode),
        ("stage", "Trained by", stages, filters.stage),
        ("corpus", "Corpus", corpora, filters.corpus),
    ]


def _board_of(group: str, filters: BoardFilters) -> str:
    """The address of a group's board, or of all for an empty group."""
    query = "&".join(part for part in (f"set={group}" if group else "", _query(filters)) if part)
    return reverse("results:leaderboard") + (f"?{query}" if query else "")


def _query(filters: BoardFilters) -> str:
    """The filters as part of an address, those that ask for something."""
    asked = {name: value for name, value in vars(filters).items() if value not in ("", None)}
    return urlencode(asked if filters != BoardFilters() else {})
