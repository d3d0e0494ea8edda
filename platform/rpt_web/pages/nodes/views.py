"""The page of nodes: which machines take runs, what each can run, and what it lacks."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from rpt_web.jobs.models import QUICK_QUEUE
from rpt_web.pages.nodes.lines import node_lines
from rpt_web.runs import queues
from rpt_web.runs.models import DEFAULT_QUEUE, GPU_QUEUE


@require_safe
def node_list(request: HttpRequest) -> HttpResponse:
    """All nodes, and the queues to which none listens. htmx asks for the list alone."""
    heard = queues.heard_queues()
    context = {
        "nav": "nodes",
        "lines": node_lines(request.user),
        "unheard": [queue for queue in (DEFAULT_QUEUE, GPU_QUEUE, QUICK_QUEUE) if queue not in heard],
    }
    part = request.headers.get("HX-Target") == "nodes"
    return render(request, "nodes/_nodes.html" if part else "nodes/node_list.html", context)
