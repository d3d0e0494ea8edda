"""Waking workers: a message says that something waits in a queue, and never who takes which run.

In: runs that were queued. Out: Celery's messages. One that could not be sent is sent again by the reaper.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django.db import transaction
from django.db.models.functions import Now
from kombu.exceptions import OperationalError as BrokerError

from rpt_web.celery import app as celery_app
from rpt_web.runs import queues
from rpt_web.runs.models import GpuLease, Run, RunLimit, Status

EXECUTE_RUN = "workers.execute_run"
logger = logging.getLogger(__name__)


def dispatch(run_id: int) -> bool:
    """Send the task that wakes a worker. A failure is logged and left to the reaper."""
    try:
        celery_app.send_task(EXECUTE_RUN, [run_id], queue=queues.queue_of(run_id))
    except (BrokerError, OSError) as error:
        logger.warning("run %s could not be sent to the queue (%s); the reaper will send it again", run_id, error)
        return False
    Run.objects.filter(pk=run_id, status=Status.QUEUED).update(dispatched_at=Now())
    return True


def wake_held(*, always: bool = False) -> None:
    """Room has come: on commit, wake a worker for the first run of each queue, which may have been held back.

    Unless `always`, nothing is sent where neither limits nor leases of GPUs can have held one back.
    """
    if not (always or RunLimit.objects.exists() or GpuLease.objects.exists()):
        return
    first = Run.objects.filter(status=Status.QUEUED).order_by("queue", "-priority", "place", "id").distinct("queue")
    transaction.on_commit(lambda: dispatch_all(list(first.values_list("pk", flat=True))))


def leave(run_id: int) -> None:
    """A worker that takes no runs was woken for one: the reaper sends it again as soon as it can."""
    Run.objects.filter(pk=run_id, status=Status.QUEUED).update(dispatched_at=None)


def dispatch_all(run_ids: Sequence[int]) -> None:
    """Send several; the first that cannot be sent leaves the rest to the reaper."""
    all(dispatch(run_id) for run_id in run_ids)
