"""The page of nodes: which machines take runs, what each can run, and what it lacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.jobs.models import QUICK_QUEUE
from rpt_web.pages.nodes.lines import node_lines
from rpt_web.runs import nodes, queues
from rpt_web.runs.models import DEFAULT_QUEUE, GPU_QUEUE, Node
from rpt_web.teams.models import User


@require_safe
def node_list(request: HttpRequest) -> HttpResponse:
    """All nodes, and the queues to which none listens. htmx asks for the list alone."""
    heard = queues.heard_queues()
    context = {
        "nav": "nodes",
        "may_drain": access.is_server_administrator(request.user),
        "lines": node_lines(request.user),
        "unheard": [queue for queue in (DEFAULT_QUEUE, GPU_QUEUE, QUICK_QUEUE) if queue not in heard],
    }
    part = request.headers.get("HX-Target") == "nodes"
    return render(request, "nodes/_nodes.html" if part else "nodes/node_list.html", context)


@require_POST
def node_drain(request: HttpRequest, node_id: int) -> HttpResponse:
    """Let a node take no new runs."""
    return _change(request, node_id, lambda node: nodes.drain(node, cast(User, request.user)))


@require_POST
def node_undrain(request: HttpRequest, node_id: int) -> HttpResponse:
    """Let it take runs again."""
    return _change(request, node_id, nodes.undrain)


def _change(request: HttpRequest, node_id: int, act: Callable[[Node], None]) -> HttpResponse:
    access.require_server_administrator(request.user)
    node = nodes.get_or_404(node_id)
    try:
        act(node)
    except UserError as error:
        messages.error(request, str(error))
    return redirect("nodes:node_list")
