"""Comparisons by the API: settings side by side, evaluations at the same positions, baskets that a team keeps.

Operations here are registered by `add_operations`, so that they stand in the one document of the API.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import NinjaAPI, Query
from ninja import Status as Answer
from pydantic import Field

from rpt_web import access
from rpt_web.api.bodies import Body
from rpt_web.api.errors import WrongField, refusals_at
from rpt_web.api.paging import After, Limit, page_of, user_of
from rpt_web.api.plain import PlainSchema
from rpt_web.api.schemas import Page
from rpt_web.compare import baskets, comparisons
from rpt_web.compare.comparisons import FEWEST, MOST
from rpt_web.compare.entries import PATTERN, BasketEntry, read_entries
from rpt_web.compare.evaluated import evaluations_of
from rpt_web.compare.models import Basket, PositionComparison
from rpt_web.compare.positions import ComparedPosition, ComparedSet, PositionFilters
from rpt_web.compare.settings_table import configs_of, setting_rows
from rpt_web.results.caveats import of_format
from rpt_web.results.models import Evaluation
from rpt_web.runs.models import Run
from rpt_web.teams.membership import home_of
from rpt_web.teams.models import User
from rpt_web.traces.inspector import readable

Entry = Annotated[
    str,
    Field(
        pattern=f"^{PATTERN}$",
        description="A run's id, perhaps with a step and with the mode of its evaluation: `15`, `15@40:standard`.",
    ),
]
Entries = Annotated[list[Entry], Field(min_length=1, max_length=MOST, description="The first is the baseline.")]


class BasketOut(PlainSchema):
    """Runs and checkpoints that a team compares."""

    id: int
    team_id: int
    name: str
    entries: list[str]
    created_at: datetime
    changed_at: datetime


class BasketIn(Body):
    """A new basket."""

    name: str
    entries: Entries
    team: int | None = Field(
        default=None,
        ge=1,
        lt=2**63,
        description="Id of the team it belongs to; empty takes the first where the token's user may change things.",
    )


class BasketChangeIn(Body):
    """Another name or other entries for a basket; what is left out stays."""

    name: str | None = None
    entries: Entries | None = None


class ComparedSettingOut(PlainSchema):
    """A setting, and its value in each run, in the order asked for."""

    name: str
    values: list[Any]


class ComparisonIn(Body):
    """What to compare at the same positions."""

    entries: Annotated[list[Entry], Field(min_length=FEWEST, max_length=MOST, description="The first is the baseline.")]
    mode: Literal["sampled", "standard", "greedy"] | None = Field(
        default=None,
        description="Of the entries that name none; empty takes the mode in which most of these were evaluated.",
    )


class ComparedEntryOut(PlainSchema):
    """An evaluation that is compared."""

    run: int
    step: int
    mode: str
    lost_format: dict[str, str] = Field(
        description="By difficulty, where most of its responses have no box and count as wrong: so in words. Its "
        "accuracy there says nothing about how well it reasons."
    )


class ComparisonOut(PlainSchema):
    """Evaluations at the same positions. `numbers` is null until they are computed."""

    id: int
    mode: str | None = Field(description="Of all entries; null where they are of several modes.")
    entries: list[ComparedEntryOut] = Field(description="Those with an evaluation, in the order asked for.")
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    error: str = Field(description="Why it failed, or why no worker has taken it yet.")
    made_at: datetime | None
    numbers: dict[str, Any] | None = Field(description="See docs/compare.md.")


class ComparedPositionOut(PlainSchema):
    """A position, and what two evaluations made of it."""

    place: int
    document: str
    byte_offset: int
    text_hash: str | None = Field(
        description="With byte_offset the position's name in every run; null where no evaluation told it."
    )
    domain: str
    type: str
    length: str
    entropy_nats: float | None
    next_token: str = Field(description="Bytes that are no UTF-8, and characters that nobody sees, as escapes.")
    cell: str = Field(description="both, gained, forgotten or neither.")
    value_a: float
    value_b: float
    prediction_a: str | None
    prediction_b: str | None


def add_operations(api: NinjaAPI) -> None:
    """Register what is below."""
    tags, one, made = ["compare"], "/baskets/{int:basket_id}", "/comparisons/{int:comparison_id}"
    api.get("/compared-settings", response=list[ComparedSettingOut], tags=tags)(compared_settings)
    api.post("/comparisons", response={202: ComparisonOut}, tags=tags)(start_comparison)
    api.get(made, response=ComparisonOut, tags=tags)(comparison_detail)
    api.get(f"{made}/positions", response=Page[ComparedPositionOut], tags=tags)(comparison_positions)
    api.get("/baskets", response=Page[BasketOut], tags=tags)(list_baskets)
    api.post("/baskets", response={201: BasketOut}, tags=tags)(create_basket)
    api.get(one, response=BasketOut, tags=tags)(basket_detail)
    api.post(one, response=BasketOut, tags=tags)(change_basket)
    api.delete(one, response={204: None}, tags=tags)(delete_basket)


def compared_settings(
    request: HttpRequest,
    runs: Annotated[str, Query(max_length=20_000, description="Ids of runs, with commas between them.")],
    same: Annotated[bool, Query(description="Also settings that are the same in all.")] = False,
    ignore: Annotated[str, Query(max_length=5000, description="Dotted names to leave out, with commas.")] = "",
    of: Annotated[
        Literal["frozen", "planned", "resolved"],
        Query(description="As the runs were run, as they were asked for, or as their engines resolved it."),
    ] = "frozen",
) -> list[dict[str, Any]]:
    """Settings of runs side by side, by default those that differ.

    `resolved` has what verl made of the config, its own defaults included; a run that verl has not started has none of
    these settings. A run of another engine has its config as it was run.
    """
    found = _runs(user_of(request), _read(runs), "runs", with_settings=True)
    configs = configs_of([run for _, run in found], of)
    rows = setting_rows(configs, [name for name in ignore.split(",") if name])
    return [{"name": row.name, "values": list(row.values)} for row in rows if same or row.differs]


def start_comparison(request: HttpRequest, asked: ComparisonIn) -> Answer[dict[str, Any]]:
    """Have evaluations compared at the same positions. What was compared before is there at once."""
    user = user_of(request)
    wanted = comparisons.to_compare(_runs(user, _read(",".join(asked.entries))), asked.mode or "")
    with refusals_at("entries"):
        return Answer(202, _told(comparisons.start(wanted, user)))


def comparison_detail(request: HttpRequest, comparison_id: int) -> dict[str, Any]:
    """One comparison: how far it is, and its numbers."""
    return _told(access.get_comparison_or_404(user_of(request), comparison_id, also_unmade=True))


def comparison_positions(
    request: HttpRequest,
    comparison_id: int,
    a: Annotated[int, Query(ge=0, lt=2**31, description="Place of the first among the entries, from 0.")] = 0,
    b: Annotated[int, Query(ge=0, lt=2**31, description="Place of the second.")] = 1,
    difficulty: str | None = None,
    cell: Literal["both", "gained", "forgotten", "neither"] | None = None,
    after: After = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """The positions that two of its evaluations have at a difficulty, by default the hardest."""
    row = access.get_comparison_or_404(user_of(request), comparison_id)
    if max(a, b) >= len(row.entries) or a == b:
        raise WrongField(
            "b", f"The comparison has {len(row.entries)} entries; name two of them by their places from 0."
        )
    levels = row.levels
    if difficulty is not None and difficulty not in levels:
        raise WrongField(
            "difficulty", f"The comparison has no positions of this difficulty. It has: {', '.join(levels)}."
        )
    filters = PositionFilters(difficulty or levels[-1], cell or "")
    columns = ComparedSet(row, a, b, filters).columns()
    rows = columns.rows(columns.kept(filters, filters.cell), after, limit + 1)
    return {
        "items": [_position(one) for one in rows[:limit]],
        "next": rows[limit - 1].place if len(rows) > limit else None,
    }


def list_baskets(request: HttpRequest, after: After = None, limit: Limit = 50) -> dict[str, Any]:
    """Baskets of the user's teams, newest first."""
    page = page_of(access.baskets_for(user_of(request)), "-id", after, limit)
    return page | {"items": [_basket(row) for row in page["items"]]}


def create_basket(request: HttpRequest, basket: BasketIn) -> Answer[dict[str, Any]]:
    """Keep runs under a name."""
    user = user_of(request)
    access.require_change_somewhere(user)
    with refusals_at("team"):
        team = home_of(user) if basket.team is None else access.get_team_or_404(user, basket.team, to_change=True)
    with refusals_at("name"):
        return Answer(201, _basket(baskets.create(team, basket.name, ",".join(basket.entries), user)))


def basket_detail(request: HttpRequest, basket_id: int) -> dict[str, Any]:
    """One basket."""
    return _basket(access.get_basket_or_404(user_of(request), basket_id))


def change_basket(request: HttpRequest, basket_id: int, change: BasketChangeIn) -> dict[str, Any]:
    """Rename it, or give it other runs."""
    row = access.get_basket_or_404(user_of(request), basket_id, to_change=True)
    entries = row.entries if change.entries is None else ",".join(change.entries)
    with refusals_at("name"):
        return _basket(baskets.change(row, row.name if change.name is None else change.name, entries))


def delete_basket(request: HttpRequest, basket_id: int) -> Answer[None]:
    """Forget it. Its runs stay."""
    access.get_basket_or_404(user_of(request), basket_id, to_change=True).delete()
    return Answer(204, None)


def _read(text: str) -> list[BasketEntry]:
    entries, others = read_entries(text)
    if others or not entries:
        raise WrongField(
            "runs",
            "Give ids of runs with commas between them, each with a step and a mode or without: 12,15@40:standard.",
        )
    return entries


def _runs(
    user: User, entries: list[BasketEntry], field: str = "entries", *, with_settings: bool = False
) -> list[tuple[BasketEntry, Run]]:
    """The entries with their runs. Raises WrongField for one that the user may not see."""
    found = access.runs_by_id(user, {entry.run for entry in entries}, with_settings=with_settings)
    for entry in entries:
        if entry.run not in found:
            raise WrongField(field, f"There is no run {entry.run} that you may see. Leave it out.")
    return [(entry, found[entry.run]) for entry in entries]


def _basket(row: Basket) -> dict[str, Any]:
    names = ("id", "team_id", "name", "created_at", "changed_at")
    return {name: getattr(row, name) for name in names} | {"entries": row.entries.split(",")}


def _told(row: PositionComparison) -> dict[str, Any]:
    """The comparison; what its numbers do not hold of its evaluations is read beside them (1 query)."""
    job = row.job
    state = "succeeded" if row.made_at else str(job.state) if job else "failed"
    return {
        "id": row.pk,
        "mode": row.modes[0] if len(row.modes) == 1 else None,
        "entries": [
            {"run": run, "step": step, "mode": mode, "lost_format": _lost_formats(evaluated)}
            for (run, step, mode), evaluated in zip(row.entries, evaluations_of(row), strict=True)
        ],
        "state": state,
        "error": job.error if job and not row.made_at else "",
        "made_at": row.made_at,
        "numbers": row.data if row.made_at else None,
    }


def _lost_formats(evaluated: Mapping[str, Evaluation]) -> dict[str, str]:
    words = {level: of_format([evaluation]) for level, evaluation in evaluated.items()}
    return {level: why for level, why in words.items() if why}


def _position(one: ComparedPosition) -> dict[str, Any]:
    texts = {name: _text(getattr(one, name)) for name in ("next_token", "prediction_a", "prediction_b")}
    return vars(one) | texts | {"text_hash": None if one.text_hash is None else one.text_hash.hex()}


def _text(content: bytes | None) -> str | None:
    return None if content is None else readable(content.decode(errors="backslashreplace"))
