"""The inbox of the token's user, and what is done with several runs at once, by the API."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from ninja import NinjaAPI
from pydantic import Field

from rpt_web import access
from rpt_web.api.bodies import Body
from rpt_web.api.paging import After, Limit, page_of, user_of
from rpt_web.api.plain import PlainSchema
from rpt_web.api.schemas import Page
from rpt_web.notices import services as notices
from rpt_web.runs import several
from rpt_web.teams.models import Scope


class NoticeOut(PlainSchema):
    """A line of the inbox."""

    id: int
    kind: str
    text: str
    count: int = Field(description="Of how many things of the same kind it tells.")
    run: int | None = Field(alias="run_id")
    experiment: int | None = Field(alias="experiment_id")
    comment: int | None = Field(alias="comment_id")
    queue: int | None = Field(alias="queue_id")
    made_at: datetime
    read_at: datetime | None


class ReadIn(Body):
    """Which lines were read."""

    newest: int = Field(ge=1, lt=2**63, description="Id of the newest line that was seen; older ones count as read.")


class ReadOut(PlainSchema):
    """What was marked."""

    marked: int = Field(description="How many lines were unread.")


class SeveralIn(Body):
    """What is to be done with which runs."""

    do: Literal["cancel", "retry", "archive", "bring-back", "delete"]
    runs: list[int] = Field(min_length=1, max_length=several.MOST, description="Their ids.")


class LeftOut(PlainSchema):
    """A run that was left as it was."""

    run: int
    why: str


class SeveralOut(PlainSchema):
    """What came of it."""

    done: list[int] = Field(description="Ids of the runs with which it was done.")
    left: list[LeftOut] = Field(description="The others, each with the reason.")
    job: int | None = Field(description="The job that deletes them; None for anything else.")


def add_operations(api: NinjaAPI) -> None:
    """Register what is below."""
    api.get("/inbox", response=Page[NoticeOut], tags=["inbox"])(inbox)
    api.post("/inbox/read", response=ReadOut, tags=["inbox"])(mark_read)
    api.post("/runs/several", response=SeveralOut, tags=["runs"])(change_several)


def inbox(request: HttpRequest, after: After = None, limit: Limit = 50, unread: bool = False) -> dict[str, Any]:
    """The user's notices, newest first."""
    found = access.notices_for(user_of(request))
    return page_of(found.filter(read_at=None) if unread else found, "-id", after, limit)


def mark_read(request: HttpRequest, asked: ReadIn) -> dict[str, int]:
    """Mark lines as read up to one that was seen: what came later was not."""
    user = user_of(request)
    if user.scope == Scope.READ:
        raise PermissionDenied(access.LIMITED.format(user.scope))
    return {"marked": notices.mark_read(access.notices_for(user).filter(pk__lte=asked.newest))}


def change_several(request: HttpRequest, asked: SeveralIn) -> dict[str, Any]:
    """Cancel, retry, archive, bring back or delete several runs: each as it would be alone."""
    user = user_of(request)
    access.require_change_somewhere(user)
    keys = [key for key in asked.runs if 0 < key < 2**63]
    runs, others = access.split_by_steering(user, keys)
    found = several.change(asked.do, runs, others, user)
    left = [{"run": run.pk, "why": why} for run, why in found.refused]
    unknown = {*asked.runs} - {run.pk for run in (*runs, *others)}
    left += [{"run": key, "why": "there is no such run among those that you may see"} for key in sorted(unknown)]
    return {"done": [run.pk for run in found.done], "left": left, "job": found.job and found.job.pk}
