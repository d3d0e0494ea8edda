"""Waking workers: a message says that something waits in a queue, and never who takes which run.

In: runs that were queued. Out: Celery's messages. One that could not be sent is sent again by the reaper.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django.db.models.functions import Now
from kombu.exceptions import OperationalError as BrokerError

from rpt_web.celery import app as celery_app
from rpt_web.runs import queues
from rpt_web.runs.models import Run, Status

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


def dispatch_all(run_ids: Sequence[int]) -> None:
    """Send several; the first that cannot be sent leaves the rest to the reaper."""
    all(dispatch(run_id) for run_id in run_ids)
