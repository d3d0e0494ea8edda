"""Operations of the API on the machines and how they are shared: nodes, their GPUs, limits."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest
from ninja import NinjaAPI
from pydantic import Field

from rpt_web import access
from rpt_web.api.bodies import Body
from rpt_web.api.errors import conflicts, refusals_at
from rpt_web.api.paging import user_of
from rpt_web.api.plain import PlainSchema
from rpt_web.api.schemas import Refused
from rpt_web.runs import limits, nodes
from rpt_web.runs.models import Node, RunLimit


class GpuOut(PlainSchema):
    """A GPU as nvidia-smi told the worker; what it did not tell is null."""

    index: int
    name: str
    memory_bytes: float | None
    used_bytes: float | None
    load: float | None = Field(description="From 0 to 1.")


class NodeOut(PlainSchema):
    """A machine with a worker, or one environment of it."""

    id: int
    name: str
    version: str = Field(description="Of the worker's code.")
    gpus: list[GpuOut] | None = Field(description="Null when they were not reported.")
    findings: list[dict[str, Any]] = Field(description="What the doctor has found: area, name, level, words, remedy.")
    drained_at: datetime | None = Field(description="Since when it takes no new runs; null while it takes runs.")
    last_seen: datetime


class LimitOut(PlainSchema):
    """How many runs may run at once."""

    team_id: int | None = Field(description="Null for a limit of the server, which is about all teams.")
    queue: str = Field(description="Empty means every queue.")
    each_person: bool
    most: int


class LimitIn(Body):
    """A limit to make, change or remove."""

    team: int | None = Field(default=None, ge=1, lt=2**63, description="Empty for a limit of the server.")
    queue: Literal["", "default", "gpu"] = ""
    each_person: bool = False
    most: int | None = Field(default=None, description="Empty removes the limit.")


def add_operations(api: NinjaAPI) -> None:
    """Give the API the operations of this module."""
    tags, of_node = ["machines"], "/nodes/{int:node_id}"
    api.get("/nodes", response=list[NodeOut], tags=tags)(node_list)
    api.post(f"{of_node}/drain", response={200: NodeOut, 409: Refused}, tags=tags)(drain)
    api.post(f"{of_node}/undrain", response={200: NodeOut, 409: Refused}, tags=tags)(undrain)
    api.get("/limits", response=list[LimitOut], tags=tags)(limit_list)
    api.post("/limits", response=list[LimitOut], tags=tags)(set_limit)


def node_list(request: HttpRequest) -> list[Node]:
    """All nodes, by name."""
    return list(Node.objects.order_by("name"))


def drain(request: HttpRequest, node_id: int) -> Node:
    """Let a node take no new runs; what runs there ends as it would. Only server administrators do this."""
    node = _node(request, node_id)
    with conflicts():
        nodes.drain(node, user_of(request))
    node.refresh_from_db()
    return node


def undrain(request: HttpRequest, node_id: int) -> Node:
    """Let a node take runs again. Only server administrators do this."""
    node = _node(request, node_id)
    with conflicts():
        nodes.undrain(node)
    node.refresh_from_db()
    return node


def limit_list(request: HttpRequest) -> list[RunLimit]:
    """The limits of the server, then those of the teams of the token's user."""
    return limits.about(list(access.roles_of(user_of(request))))


def set_limit(request: HttpRequest, limit: LimitIn) -> list[RunLimit]:
    """Make, change or remove a limit, and list all: an administrator's for a team, a server administrator's for all."""
    user = user_of(request)
    if limit.team is None:
        access.require_server_administrator(user)
    with refusals_at("team"):
        team = None if limit.team is None else access.get_team_or_404(user, limit.team, to_administer=True)
    with refusals_at("most"):
        limits.set_limit(team, limit.queue, limit.each_person, limit.most)
    return limit_list(request)


def _node(request: HttpRequest, node_id: int) -> Node:
    access.require_server_administrator(user_of(request))
    return nodes.get_or_404(node_id)
