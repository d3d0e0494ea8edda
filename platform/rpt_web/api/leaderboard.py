"""Operations of the API on results across experiments: the sets of positions, and the ranked rows of each.

In: the query, whose names and values are those of the page's address. Out: groups of rows that may be compared, and
the rows of one of them in their order, each with what is to be said of it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import NinjaAPI, Query, Schema
from pydantic import Field

from rpt_web import access
from rpt_web.api.paging import After, Limit, user_of
from rpt_web.results import boards
from rpt_web.results.board import BoardFilters, BoardRow

Level = Literal["easy", "medium", "hard"]
SetName = Annotated[
    str, Query(max_length=32, description="`set` of one of /position-sets; empty for rows of unknown positions.")
]


class EvaluatedSetOut(Schema):
    """Held-out positions, by their content."""

    hash: str
    positions: int
    documents: int
    above_nats: dict[str, float] = Field(description="Each difficulty's threshold; without those that are not known.")
    corpora: list[str]
    name: str = Field(description="Under which the filter run stored it; empty for one that was drawn.")


class ComparableOut(Schema):
    """Rows that were measured on the same positions; of several seeds, each on its own."""

    set: str = Field(description="Give this to `/leaderboard`; empty for unknown positions.")
    words: str
    sets: list[EvaluatedSetOut] = Field(description="One, or one for each seed.")


class ComparablesOut(Schema):
    """A page of position sets, those with the newest rows first."""

    items: list[ComparableOut]
    next: int | None


class FlagOut(Schema):
    """What is to be said of a row before it is compared."""

    key: str
    words: str
    reason: str
    excludes: bool = Field(description="Whether the row is not ranked for it.")


class CellOut(Schema):
    """An accuracy as a fraction of 1, with its 95 % interval: over seeds where there are several, else positions."""

    value: float
    low: float | None
    high: float | None
    n: int


class GainOut(Schema):
    """A difference, with its 95 % interval and how that was found."""

    value: float
    low: float | None
    high: float | None
    n: int | None
    how: str


class MemberOut(Schema):
    """One seed of a row."""

    seed: int | None
    run: int | None = Field(description="The run that made the model; null for a model from elsewhere.")
    name: str
    step: int
    measured_by: int = Field(description="The run that evaluated it.")
    measured_step: int
    values: dict[str, float]


class BoardRowOut(Schema):
    """A model in one mode."""

    id: int
    rank: int | None = Field(description="Among the rows that are ranked; null for the others, whose flags say why.")
    name: str
    mode: str
    stage: str = Field(description="Of the run that made it; empty for a model from elsewhere.")
    experiment_id: int
    cells: dict[str, CellOut] = Field(description="By difficulty.")
    gains: dict[str, GainOut] = Field(description="Over what the model's run started from, by difficulty.")
    flags: list[FlagOut]
    seeds: list[int]
    members: list[MemberOut]
    template: str
    sampling: str
    tokenizer: str
    flops: float | None = Field(description="Training compute, the mean over the seeds.")
    gpu_hours: float | None
    hours: float | None


class BoardOut(Schema):
    """A page of rows in their order: those that are ranked, then the others."""

    items: list[BoardRowOut]
    next: int | None


def add_operations(api: NinjaAPI) -> None:
    """Put them into the API."""
    api.get("/position-sets", response=ComparablesOut, tags=["results"])(position_sets)
    api.get("/leaderboard", response=BoardOut, tags=["results"])(leaderboard)


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
    """The rows of one position set, ranked by a difficulty; what must not be compared is not ranked, and says why.

    Empty for a set at which nothing that you may see was measured.
    """
    group = set.replace("\x00", "")
    seen = access.standings_for(user_of(request))
    filters = BoardFilters(difficulty, mode.replace("\x00", ""), stage.replace("\x00", ""), experiment)
    board, more = boards.board_page(seen, group, filters, None, after, limit)
    return {"items": [_row(row) for row in board.rows], "next": more}


def _row(row: BoardRow) -> dict[str, Any]:
    standing = row.standing
    plain = ("name", "mode", "stage", "experiment_id", "cells", "gains", "seeds", "members", "template", "sampling")
    more = ("tokenizer", "flops", "gpu_hours", "hours")
    return {
        "id": standing.pk,
        "rank": row.rank,
        "flags": [vars(flag) for flag in row.flags],
        **{name: getattr(standing, name) for name in (*plain, *more)},
    }
