"""The order of a queue: which run is next, and how it is changed.

Each queued run has a priority and a place, a number; of the highest priority workers take the lowest place. Whoever may
cancel some runs may change the order of those of a priority: they share out among them the places that they have, and
nobody else's run moves. Only administrators give a high priority.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from django.db import transaction
from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber

from rpt_core.errors import UserError
from rpt_web.runs import deeds
from rpt_web.runs.models import Deed, Priority, Run, Status
from rpt_web.teams.models import User

ORDER = ("-priority", "place", "id")


class Move(StrEnum):
    """Where a run goes among those that its owner may move."""

    UP = "up"
    DOWN = "down"
    FIRST = "first"


def in_order(queue: str) -> QuerySet[Run]:
    """The queued runs of a queue, the next one first."""
    return Run.objects.filter(queue=queue, status=Status.QUEUED).order_by(*ORDER)


def ranks(queues: Collection[str]) -> dict[int, int]:
    """Each queued run of these queues -> its rank among all that are queued there, from 1 (1 query)."""
    rank = Window(RowNumber(), partition_by=F("queue"), order_by=ORDER)
    queued = Run.objects.filter(queue__in=queues, status=Status.QUEUED)
    return dict(queued.annotate(rank=rank).order_by().values_list("pk", "rank"))


def move(run: Run, user: User | None, movable: QuerySet[Run], to: Move) -> None:
    """Change the order of the movable runs of a queue and a priority.

    Raises UserError when the run is queued no more, or stands there.
    """
    with transaction.atomic():
        queued = movable.filter(pk__in=in_order(run.queue).order_by().values("pk"), priority=run.priority)
        locked = queued.order_by("id").select_for_update(of=("self",), no_key=True)  # as a cancel locks them
        runs = sorted(locked, key=lambda found: (found.place, found.pk))
        ids = [found.pk for found in runs]
        if run.pk not in ids:
            raise UserError(f"The run {run.name!r} is not queued any more. Only queued runs have a place in the queue.")
        at = ids.index(run.pk)
        target = {Move.UP: at - 1, Move.DOWN: at + 1, Move.FIRST: 0}[to]
        if target == at or not 0 <= target < len(runs):
            edge = "last" if to is Move.DOWN else "first"
            raise UserError(
                f"The run {run.name!r} is the {edge} already of the queued runs of its priority that you may move."
            )
        held = [found.place for found in runs]
        runs.insert(target, runs.pop(at))
        for found, place in zip(runs, held, strict=True):
            Run.objects.filter(pk=found.pk).exclude(place=place).update(place=place)
        deeds.note([run], Deed.MOVED, user)


def refuse_high(priority: Priority, *, may_raise: bool) -> None:
    """Raises UserError for a high priority that somebody gives who may not."""
    if priority == Priority.HIGH and not may_raise:
        raise UserError("Only administrators of the team give a run a high priority. Ask one of them.")


def set_priority(run: Run, user: User | None, priority: Priority, *, may_raise: bool) -> None:
    """Give a run that has not started another priority; only who `may_raise` it gives a high one.

    Raises UserError when the run has started, or ended.
    """
    refuse_high(priority, may_raise=may_raise)
    with transaction.atomic():
        rows = Run.objects.filter(pk=run.pk, status__in=(Status.WAITING, Status.QUEUED))
        if not rows.update(priority=priority):
            raise UserError(f"The run {run.name!r} has started, or has ended. Only runs that wait have a priority.")
        deeds.note([run], Deed.RANKED, user)
