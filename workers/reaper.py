"""Looks after what got stuck: leases that lapsed, waiting runs that may start, queued runs whose message got lost.

Each round is safe to run beside another reaper's: rows are locked and those locked elsewhere are skipped.
1. A running row whose lease has lapsed is queued again, or lost at its cap of attempts. Not while the database has just
   come back: its workers could not renew their leases either, and get the time of one lease to do so.
2. A waiting row whose needs have all succeeded is queued: whoever ended the last of them may have died right after.
3. A queued row that no worker has taken for a while is sent again, so that Redis may lose everything at any time. Only
   while its queue is empty: messages that wait there mean that every worker is busy, and more would only pile up.
   When no worker at all listens to the queue, the log says so.
4. Jobs of the quick lane are looked after in the same way; those that ended long ago are forgotten, and
   uploads that nobody continues; files of a fetch that died for good are removed; searches and comparisons are
   forgotten.
5. Experiments whose intervals are of older results than there are get them computed: a worker may have died before it
   did so, and results from before there were stored intervals have none.
6. What is to go out by e-mail and webhook is looked after in the same way; what went out long ago is forgotten.
7. What has ended since is measured: what it takes on the disk.
8. Answers of the API that were kept for calls that are sent again are forgotten after a day.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError as BrokerError
from redis import Redis, RedisError

from rpt_web.api import repeating
from rpt_web.celery import app
from rpt_web.compare import comparisons
from rpt_web.corpora import fetched, uploads
from rpt_web.jobs import services as job_services
from rpt_web.jobs.models import QUICK_QUEUE
from rpt_web.notices import deliveries
from rpt_web.notices import services as notices
from rpt_web.runs import overdue, planning, queues, services
from rpt_web.searches import services as searches
from workers import disk, intervals, usage

INTERVAL_SECONDS = 2.0
"""Of a round, for intervals: leases are looked after by the same process."""
EXPERIMENTS_AT_ONCE = 50
JOBS_KEPT_DAYS = 30
logger = logging.getLogger(__name__)
_unheard: set[str] = set()
"""Queues of which the log has said that nobody listens."""
_failed: set[int] = set()
"""Experiments whose intervals could not be computed."""


def run_round(reap: bool = True) -> None:
    """One round; without `reap`, lapsed leases are left alone."""
    if reap:
        reap_lapsed()
    advance_waiting()
    send_overdue()
    job_services.delete_old(JOBS_KEPT_DAYS)
    send_deliveries()
    notices.delete_old()
    uploads.clean_up()
    fetched.clean_up()
    searches.forget_old()
    comparisons.forget_old()
    compute_intervals()
    usage.measure()
    repeating.forget_old()


def reap_lapsed() -> None:
    """Release the runs and jobs of silent workers."""
    with transaction.atomic():
        for run in overdue.lapsed_runs():
            outcome = services.requeue_or_lose(run)
            logger.warning("run %s: %s fell silent in attempt %s -> %s", run.pk, run.worker, run.attempt, outcome)
    for job in job_services.release_lapsed():
        logger.warning("job %s: %s fell silent in attempt %s", job.pk, job.worker, job.attempt)


def advance_waiting() -> None:
    """Queue the runs that wait for nothing any more."""
    for experiment_id in planning.experiments_to_advance():
        for run in services.advance(experiment_id):
            logger.info("run %s may start; it is queued", run.pk)


def send_overdue() -> None:
    """Send queued runs and jobs again, queue by queue."""
    waiting = overdue.overdue_queues(settings.RPT_REDISPATCH_SECONDS)
    has_jobs = job_services.has_overdue(settings.RPT_REDISPATCH_SECONDS)
    tell_unheard([*waiting, QUICK_QUEUE] if has_jobs else waiting)
    for queue in waiting:
        if queue_is_empty(queue):
            _send_again(queue)
    if has_jobs and queue_is_empty(QUICK_QUEUE):
        _send_jobs_again()


def send_deliveries() -> None:
    """Wake a quick worker for what is due, unless one is about to wake."""
    deliveries.delete_old()
    if deliveries.is_due(0) and queue_is_empty(QUICK_QUEUE):
        deliveries.dispatch()


def compute_intervals() -> None:
    """Compute what is due, for some seconds. What fails is left alone until the reaper starts again."""
    due = list(intervals.due().exclude(pk__in=_failed).values_list("pk", flat=True)[:EXPERIMENTS_AT_ONCE])
    if not due or disk.problem():  # without its files a difference would be stored as one of other positions
        return
    until = time.monotonic() + INTERVAL_SECONDS
    for experiment_id in due:
        if not intervals.refresh(experiment_id):
            _failed.add(experiment_id)
        if time.monotonic() > until:
            return


def tell_unheard(waiting: Sequence[str]) -> None:
    """Log once, when it begins, that something waits in a queue to which no worker listens."""
    unheard = {queue for queue in waiting if not queues.is_heard(queue)}
    for queue in sorted(unheard - _unheard):
        logger.warning(
            "runs or jobs wait in the queue %s, and no worker listens to it; start one: %s",
            queue,
            queues.worker_command(queue),
        )
    _unheard.clear()
    _unheard.update(unheard)


def queue_is_empty(queue: str) -> bool:
    """Whether no message waits in Redis; False also when Redis does not answer, since then nothing can be sent."""
    try:
        with app.connection_for_read() as connection:
            redis: Redis = connection.default_channel.client  # type: ignore[attr-defined]  # of the Redis transport only
            return not redis.llen(queue)
    except (BrokerError, RedisError, OSError) as error:
        logger.warning("the queue does not answer: %s", error)
        return False


def _send_again(queue: str) -> None:
    for run_id in overdue.take_overdue(settings.RPT_REDISPATCH_SECONDS, queue):
        logger.info("run %s is sent again", run_id)
        if not services.dispatch(run_id):
            return


def _send_jobs_again() -> None:
    for job_id in job_services.take_overdue(settings.RPT_REDISPATCH_SECONDS):
        logger.info("job %s is sent again", job_id)
        if not job_services.dispatch(job_id):
            return
