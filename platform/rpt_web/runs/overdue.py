"""What got stuck: runs whose worker fell silent, and queued runs that no worker has taken. Read by the reaper."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from rpt_web.runs.models import Run, Status


def lapsed_runs(limit: int = 100) -> Iterator[Run]:
    """Running rows whose lease is over, locked, without those another reaper has. Use inside a transaction."""
    lapsed = Run.objects.filter(status=Status.RUNNING, lease_until__lt=Now()).order_by("lease_until")
    yield from lapsed.select_for_update(skip_locked=True)[:limit]


def overdue_queues(older_than_seconds: float) -> list[str]:
    """The queues with a queued run that was not sent for so long."""
    return list(_overdue(older_than_seconds).order_by("queue").values_list("queue", flat=True).distinct())


def take_overdue(older_than_seconds: float, queue: str, limit: int = 100) -> list[int]:
    """Ids of a queue's runs that were not sent for so long, marked as sent now: the caller sends them."""
    with transaction.atomic():
        overdue = _overdue(older_than_seconds).filter(queue=queue).order_by("id").select_for_update(skip_locked=True)
        ids = list(overdue.values_list("pk", flat=True)[:limit])
        Run.objects.filter(pk__in=ids).update(dispatched_at=Now())
    return ids


def _overdue(older_than_seconds: float) -> QuerySet[Run]:
    long_ago = Q(dispatched_at__lt=Now() - timedelta(seconds=older_than_seconds))
    return Run.objects.filter(long_ago | Q(dispatched_at=None), status=Status.QUEUED)
