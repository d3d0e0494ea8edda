"""Why queued runs wait, in words: a limit, a drained node, GPUs that are not free. Read by the pages and the API.

In: queued runs with their experiments and owners. Out: for each a sentence, or nothing when it only waits for its turn.
A fixed number of queries. A claim decides by itself (`choosing`), by the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from django.db.models.functions import Now

from rpt_core.words import counted
from rpt_web.runs import gpus
from rpt_web.runs.limits import Room
from rpt_web.runs.models import Listener, Node, Run
from rpt_web.runs.queues import SILENT_SECONDS

Nodes = Mapping[str, Sequence[Node]]
"""Queue -> the nodes with a worker that listens to it."""


def reasons(runs: Sequence[Run]) -> dict[int, str]:
    """Why each of these queued runs waits beyond its turn (4 queries at most)."""
    if not runs:
        return {}
    room, nodes, taken = Room.now(), _listening(), _taken()
    found = ((run.pk, room.why_full(run) or _of_nodes(run, nodes.get(run.queue, ()), taken)) for run in runs)
    return {key: words for key, words in found if words}


def _of_nodes(run: Run, nodes: Sequence[Node], taken: Mapping[str, set[int]]) -> str:
    if not nodes:
        return ""  # nobody listens, which is told elsewhere
    working = [node for node in nodes if node.drained_at is None]
    if not working:
        names = ", ".join(node.name for node in nodes)
        return (
            f"{names} {'is' if len(nodes) == 1 else 'are'} drained and {'takes' if len(nodes) == 1 else 'take'} no runs"
        )
    there = [(gpus.host_of(node.name), gpus.indices(node)) for node in working]
    if any(found is None for _, found in there):  # such a node takes it without GPUs
        return ""
    asked = f"it asks for {counted(run.gpus, 'GPU')}"
    most = max(len(found or ()) for _, found in there)
    if run.gpus > most:
        return f"{asked}, and the largest node of its queue has {most}"
    free = max(len(set(found or ()) - taken.get(host, set())) for host, found in there)
    return f"{asked}, and {'none is' if not free else f'at most {free} are'} free on a node" if run.gpus > free else ""


def _listening() -> Nodes:
    recently = Now() - timedelta(seconds=SILENT_SECONDS)
    found: dict[str, list[Node]] = {}
    for listener in Listener.objects.filter(last_heard__gt=recently).select_related("node").order_by("node__name"):
        found.setdefault(listener.queue, []).append(listener.node)
    return found


def _taken() -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for host, gpu in gpus.live().order_by().values_list("host", "gpu"):
        found.setdefault(host, set()).add(gpu)
    return found
