"""Which queued run a worker takes: the first by priority and place that its node and the limits have room for.

In: a queue and the node of the worker that was woken. Out: a run with the GPUs that it gets. Called under the lock of
all claims (`hold_claims`), so what is free stays free until the claim is written.

A run that waits for more GPUs of the node than are free holds back those behind it that want some of them: otherwise
small runs could keep a large one waiting for ever. Runs that want none pass it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection

from rpt_web.runs import gpus, places
from rpt_web.runs.limits import Room
from rpt_web.runs.models import Node, Run

CHUNK = 200


@dataclass(frozen=True)
class Pick:
    """A run, and the GPUs of the node that it gets; None where the node leases none."""

    run_id: int
    gpus: list[int] | None


def hold_claims() -> None:
    """Let no other claim begin until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('rpt_web.runs.claims'))")


def choose(queue: str, node_name: str) -> Pick | None:
    """The run to take now; None when there is none, or the node is drained."""
    node = Node.objects.filter(name=node_name).first()
    if node is not None and node.drained_at is not None:
        return None
    room, free = Room.now(), gpus.free_on(node)
    there = len(gpus.indices(node) or ())
    for run in _queued(queue):
        wanted = run.gpus if free is not None else 0
        if wanted > there or room.why_full(run):
            continue
        if free is None:
            return Pick(run.pk, None)
        if wanted <= len(free):
            return Pick(run.pk, free[:wanted])
        free = []
    return None


def _queued(queue: str) -> Iterator[Run]:
    fields = ("queue", "gpus", "created_by__username", "experiment__team")
    rows = places.in_order(queue).select_related("experiment", "created_by").only(*fields)
    return rows.iterator(chunk_size=CHUNK)
