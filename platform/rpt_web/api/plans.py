"""Plans that teams have saved, by the API: the list, a new one, one with its text, its change and its end.

Operations here are registered by `add_operations`, so that they stand in the one document of the API.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import NinjaAPI
from ninja import Status as Answer
from ninja.errors import HttpError
from pydantic import Field

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.api.bodies import Body
from rpt_web.api.errors import WrongField, refusals_at
from rpt_web.api.paging import After, Limit, page_of, user_of
from rpt_web.api.schemas import OfTeam, Page, Refused
from rpt_web.runs import own_plans
from rpt_web.runs.models import OwnPlan
from rpt_web.teams.membership import home_of


class PlanLineOut(OfTeam):
    """A saved plan in a list."""

    id: int
    name: str
    created_at: datetime
    changed_at: datetime


class PlanOut(PlanLineOut):
    """A saved plan."""

    text: str = Field(description="YAML, of the form of a preset.")


class PlanIn(Body):
    """A new plan."""

    name: str
    text: str = Field(description="YAML with `description` and `runs`, each run with name, stage, title and config.")
    team: int | None = Field(
        default=None,
        ge=1,
        lt=2**63,
        description="Id of the team it belongs to; empty takes the first where the token's user may change things.",
    )


class PlanChangeIn(Body):
    """Another text for a plan."""

    text: str = Field(description="YAML, as for a new plan.")
    seen: str | None = Field(
        default=None,
        description="The text that the change began with. If the plan has another one by now, the answer is 409. "
        "Leave it out to replace whatever is there.",
    )


def add_operations(api: NinjaAPI) -> None:
    """Register what is below."""
    tags = ["plans"]
    api.get("/plans", response=Page[PlanLineOut], tags=tags)(list_plans)
    api.post("/plans", response={201: PlanOut}, tags=tags)(create_plan)
    one = "/plans/{int:plan_id}"
    api.get(one, response=PlanOut, tags=tags)(plan_detail)
    api.post(one, response={200: PlanOut, 409: Refused}, tags=tags)(change_plan)
    api.delete(one, response={204: None}, tags=tags)(delete_plan)


def list_plans(request: HttpRequest, after: After = None, limit: Limit = 50) -> dict[str, Any]:
    """Plans of the user's teams, newest first."""
    return page_of(access.plans_for(user_of(request)).defer("text"), "-id", after, limit)


def create_plan(request: HttpRequest, plan: PlanIn) -> Answer[OwnPlan]:
    """Save a plan under a new name; `plan` of a suite names it by its id."""
    user = user_of(request)
    access.require_change_somewhere(user)
    with refusals_at("team"):
        team = home_of(user) if plan.team is None else access.get_team_or_404(user, plan.team, to_change=True)
    return Answer(201, own_plans.create(team, plan.name, plan.text, user))


def plan_detail(request: HttpRequest, plan_id: int) -> OwnPlan:
    """One plan with its text."""
    return access.get_plan_or_404(user_of(request), plan_id)


def change_plan(request: HttpRequest, plan_id: int, change: PlanChangeIn) -> OwnPlan:
    """Give a plan another text. Experiments that it has made keep their runs."""
    plan = access.get_plan_or_404(user_of(request), plan_id, to_change=True)
    try:
        own_plans.save(plan, change.text, plan.text if change.seen is None else change.seen)
    except own_plans.PlanHasChanged as error:
        raise HttpError(409, str(error)) from None
    except UserError as error:
        raise WrongField("text", str(error)) from None
    plan.refresh_from_db()
    return plan


def delete_plan(request: HttpRequest, plan_id: int) -> Answer[None]:
    """Remove a plan. What it has made stays."""
    access.get_plan_or_404(user_of(request), plan_id, to_change=True).delete()
    return Answer(204, None)
