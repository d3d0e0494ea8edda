"""Positions by the API: where one is in its text, the groups of responses there in all runs, running it again."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import NinjaAPI
from ninja import Status as Answer
from pydantic import Field

from rpt_web import access
from rpt_web.api.bodies import Body
from rpt_web.api.errors import refusals_at
from rpt_web.api.paging import After, Limit, page_of, user_of
from rpt_web.api.plain import PlainSchema
from rpt_web.api.schemas import Page, RunOut
from rpt_web.runs.models import Run
from rpt_web.teams.membership import home_of
from rpt_web.teams.models import Team, User
from rpt_web.traces import reruns
from rpt_web.traces.models import ResponseGroup


class PositionOut(PlainSchema):
    """A place in a text, in every run that used it."""

    id: int
    text_hash: str = Field(description="16 bytes of BLAKE2b of the text's UTF-8, in hexadecimal.")
    byte_offset: int = Field(description="Where the completion begins; -1 for a question as a whole.")
    runs: list[int] = Field(description="Ids of the runs with responses there that the user may see.")


class PositionGroupOut(PlainSchema):
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


class RerunIn(Body):
    """A position that is to be run again."""

    group: int = Field(ge=1, lt=2**63, description="Id of a group at the position: the model is asked as it was.")
    model: str = Field(
        default="",
        description="Path of a checkpoint, or the name of a model; empty takes the newest checkpoint of the group's "
        "run that is not after the group's step.",
    )
    samples: int = Field(default=8, ge=1, le=reruns.MOST_SAMPLES)
    temperature: float | None = Field(default=None, ge=0, description="Null: as the group was asked.")
    team: int | None = Field(default=None, ge=1, lt=2**63, description="In whose name; null: the run's team, or yours.")


def add_operations(api: NinjaAPI) -> None:
    """Register what is below."""
    of_position, tags = "/positions/{int:position_id}", ["positions"]
    api.get(f"{of_position}/reruns", response=Page[RunOut], tags=tags)(position_reruns)
    api.post(f"{of_position}/reruns", response={201: RunOut}, tags=tags)(rerun_position)
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


def position_reruns(request: HttpRequest, position_id: int, after: After = None, limit: Limit = 50) -> dict[str, Any]:
    """Runs that ran the position again, newest first."""
    user = user_of(request)
    found = access.reruns_at(user, access.get_position_or_404(user, position_id))
    runs = access.runs_for(user).filter(pk__in=found.order_by().values("run"))
    return page_of(runs.defer("config", "log_tail"), "-id", after, limit)


def rerun_position(request: HttpRequest, position_id: int, rerun: RerunIn) -> Answer[Run]:
    """Run the position again with a checkpoint: a short run that goes ahead of others. Its group then stands here.

    Pre-flight looks at it before: what would fail is refused (422).
    """
    user = user_of(request)
    access.require_change_somewhere(user)
    position = access.get_position_or_404(user, position_id)
    with refusals_at("group"):
        group = access.get_group_or_404(user, position, rerun.group)
    run = access.get_run_or_404(user, group.run_id)
    with refusals_at("team"):
        team = _team(user, run, rerun.team)
    model = rerun.model or reruns.usual_model(run, group.step)
    return Answer(
        201, reruns.rerun(team, run, group, reruns.RerunWanted(model, rerun.samples, rerun.temperature), user)
    )


def _team(user: User, run: Run, asked: int | None) -> Team:
    if asked is not None:
        return access.get_team_or_404(user, asked, to_change=True)
    return run.experiment.team if access.can_change(user, run.experiment.team_id) else home_of(user)


def _column(name: str) -> str:
    return ResponseGroup._meta.get_field(name.removesuffix("_id") if name == "run_id" else name).name
