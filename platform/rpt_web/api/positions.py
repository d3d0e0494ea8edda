"""Positions by the API: where one is in its text, and the groups of responses there in all runs."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import NinjaAPI, Schema
from pydantic import Field

from rpt_web import access
from rpt_web.api.paging import After, Limit, page_of, user_of
from rpt_web.api.schemas import Page
from rpt_web.traces.models import ResponseGroup


class PositionOut(Schema):
    """A place in a text, in every run that used it."""

    id: int
    text_hash: str = Field(description="16 bytes of BLAKE2b of the text's UTF-8, in hexadecimal.")
    byte_offset: int = Field(description="Where the completion begins; -1 for a question as a whole.")
    runs: list[int] = Field(description="Ids of the runs with responses there that the user may see.")


class PositionGroupOut(Schema):
    """The responses of one run in one step, summed up."""

    id: int = Field(description="The key of the page; it may change when a run is read again.")
    run_id: int
    step: int
    kind: str
    group: int
    first_rollout: int = Field(description="Id of its first response within the run; the others follow.")
    document: str
    token_position: int
    entropy_nats: float | None
    samples: int
    rewarded: int
    pass_rate: float
    predictions: int = Field(description="Distinct ones.")
    majority_rewarded: bool
    tokens_mean: float
    first_solved: bool
    forgotten: bool


def add_operations(api: NinjaAPI) -> None:
    """Register what is below."""
    of_position, tags = "/positions/{int:position_id}", ["positions"]
    api.get(of_position, response=PositionOut, tags=tags)(position_detail)
    api.get(f"{of_position}/groups", response=Page[PositionGroupOut], tags=tags)(position_groups)


def position_detail(request: HttpRequest, position_id: int) -> dict[str, Any]:
    """One position."""
    user = user_of(request)
    found = access.get_position_or_404(user, position_id)
    runs = access.groups_at(user, found).order_by("run_id").values_list("run_id", flat=True).distinct()
    text_hash = bytes(found.text_hash).hex()
    return {"id": found.pk, "text_hash": text_hash, "byte_offset": found.byte_offset, "runs": list(runs)}


def position_groups(
    request: HttpRequest, position_id: int, after: After = None, limit: Limit = 200, run: int | None = None
) -> dict[str, Any]:
    """Groups of responses at a position, in all runs or in one."""
    user = user_of(request)
    groups = access.groups_at(user, access.get_position_or_404(user, position_id))
    found = groups if run is None else groups.filter(run_id=run)
    return page_of(found.only(*[_column(name) for name in PositionGroupOut.model_fields]), "id", after, limit)


def _column(name: str) -> str:
    return ResponseGroup._meta.get_field(name.removesuffix("_id") if name == "run_id" else name).name
