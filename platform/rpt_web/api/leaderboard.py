"""Operations of the API on results across experiments: the sets of positions, and the ranked rows of each.

In: the query, whose names and values are those of the page's address. Out: groups of rows that may be compared, and
the rows of one of them in their order, each with what is to be said of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import NinjaAPI, Query
from pydantic import Field

from rpt_web import access
from rpt_web.api.errors import refusals_at
from rpt_web.api.paging import After, Limit, user_of
from rpt_web.api.plain import PlainSchema
from rpt_web.results import boards, pins
from rpt_web.results.board import BoardFilters, BoardRow
from rpt_web.results.models import BaselineLead
from rpt_web.teams.membership import home_of

Level = Literal["easy", "medium", "hard"]
SetName = Annotated[
    str, Query(max_length=32, description="`set` of one of /position-sets; empty for rows of unknown positions.")
]


class EvaluatedSetOut(PlainSchema):
    """Held-out positions, by their content."""

    hash: str
    positions: int
    documents: int
    above_nats: dict[str, float] = Field(description="Each difficulty's threshold; without those that are not known.")
    corpora: list[str]
    name: str = Field(description="Under which the filter run stored it; empty for one that was drawn.")


class ComparableOut(PlainSchema):
    """Rows that were measured on the same positions; of several seeds, each on its own."""

    set: str = Field(description="Give this to `/leaderboard`; empty for unknown positions.")
    words: str
    sets: list[EvaluatedSetOut] = Field(description="One, or one for each seed.")


class ComparablesOut(PlainSchema):
    """A page of position sets, those with the newest rows first."""

    items: list[ComparableOut]
    next: int | None


class FlagOut(PlainSchema):
    """What is to be said of a row before it is compared."""

    key: str
    words: str
    reason: str
    excludes: bool = Field(description="Whether the row is not ranked for it.")


class CellOut(PlainSchema):
    """An accuracy as a fraction of 1, with its 95 % interval: over seeds where there are several, else positions."""

    value: float
    low: float | None
    high: float | None
    n: int


class GainOut(PlainSchema):
    """A difference, with its 95 % interval and how that was found."""

    value: float
    low: float | None
    high: float | None
    n: int | None
    how: str


class MemberOut(PlainSchema):
    """One seed of a row."""

    seed: int | None
    run: int | None = Field(description="The run that made the model; null for a model from elsewhere.")
    name: str
    step: int
    measured_by: int = Field(description="The run that evaluated it.")
    measured_step: int
    values: dict[str, float]


class BoardRowOut(PlainSchema):
    """A model in one mode."""

    id: int
    rank: int | None = Field(description="Among the ranked rows of its mode; null for the others, whose flags say why.")
    name: str
    mode: str
    stage: str = Field(description="Of the run that made it; empty for a model from elsewhere.")
    experiment_id: int
    cells: dict[str, CellOut] = Field(description="By difficulty.")
    gains: dict[str, GainOut] = Field(description="Over what the model's run started from, by difficulty.")
    leads: dict[str, GainOut] = Field(description="Over the team's pinned baseline, by difficulty; once computed.")
    flags: list[FlagOut]
    seeds: list[int]
    members: list[MemberOut]
    template: str
    sampling: str
    tokenizer: str
    flops: float | None = Field(description="Training compute, the mean over the seeds.")
    gpu_hours: float | None
    hours: float | None


class BoardOut(PlainSchema):
    """A page of rows in their order: those that are ranked, mode by mode, then the others."""

    items: list[BoardRowOut]
    next: int | None
    baseline: int | None = Field(description="Id of the row that your team measures this set by.")


class BaselineIn(PlainSchema):
    """The row that a team measures the others of its set by."""

    row: int = Field(ge=0, lt=2**63)
    team: int | None = Field(default=None, ge=0, lt=2**63, description="By default the first in which you may submit.")


class BaselineOut(PlainSchema):
    """A pinned baseline."""

    row: int
    set: str
    team: int


def add_operations(api: NinjaAPI) -> None:
    """Put them into the API."""
    api.get("/position-sets", response=ComparablesOut, tags=["results"])(position_sets)
    api.get("/leaderboard", response=BoardOut, tags=["results"])(leaderboard)
    api.post("/leaderboard/baseline", response=BaselineOut, tags=["results"])(pin_baseline)


def position_sets(request: HttpRequest, after: After = None, limit: Limit = 50) -> dict[str, Any]:
    """The position sets at which anything that you may see was measured."""
    seen = access.standings_for(user_of(request))
    groups, more = boards.groups_of(seen, after, limit)
    words = boards.words_of(seen, groups)
    items = [{"set": group, "words": words[group].name, "sets": list(words[group].sets)} for group in groups]
    return {"items": items, "next": more}


def leaderboard(
    request: HttpRequest,
    set: SetName,
    difficulty: Level = "hard",
    mode: Annotated[str, Query(max_length=20)] = "",
    stage: Annotated[str, Query(max_length=20)] = "",
    experiment: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
    after: After = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """The rows of one position set, ranked within each mode by a difficulty; what must not be compared is not ranked,
    and says why.

    Empty for a set at which nothing that you may see was measured.
    """
    group = set.replace("\x00", "")
    seen = access.standings_for(user_of(request))
    filters = BoardFilters(difficulty, mode.replace("\x00", ""), stage.replace("\x00", ""), experiment)
    pin = boards.pin_of(seen, list(access.roles_of(user_of(request))), group)
    board, more = boards.board_page(seen, group, filters, pin.standing if pin else None, after, limit)
    leads = boards.leads_of([pin] if pin else [], board.rows)
    items = [_row(row, leads) for row in board.rows]
    return {"items": items, "next": more, "baseline": pin.standing_id if pin else None}


def pin_baseline(request: HttpRequest, baseline: BaselineIn) -> dict[str, Any]:
    """Measure a position set by one of its rows; the differences of the others are computed within a moment."""
    user = user_of(request)
    access.require_change_somewhere(user)
    with refusals_at("team"):
        team = home_of(user) if baseline.team is None else access.get_team_or_404(user, baseline.team, to_change=True)
    with refusals_at("row"):
        made = pins.pin(team, access.get_standing_or_404(user, baseline.row), user)
    return {"row": made.standing_id, "set": made.group, "team": team.pk}


def _row(row: BoardRow, leads: Mapping[tuple[int, str], BaselineLead]) -> dict[str, Any]:
    standing = row.standing
    plain = ("name", "mode", "stage", "experiment_id", "cells", "gains", "seeds", "members", "template", "sampling")
    more = ("tokenizer", "flops", "gpu_hours", "hours")
    return {
        "id": standing.pk,
        "rank": row.rank,
        "flags": [vars(flag) for flag in row.flags],
        "leads": {level: vars(lead) for (pk, level), lead in leads.items() if pk == standing.pk},
        **{name: getattr(standing, name) for name in (*plain, *more)},
    }
