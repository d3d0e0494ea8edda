"""A job's life. The only code that changes `Job.state`, always by one conditional UPDATE.

    queued --claim--> running --finish, fail--> succeeded | failed | cancelled
       ^                 |
       +--- hand_back, release_lapsed (until max_attempts, then failed)

A claim raises `attempt`, the fencing token: whatever a worker writes, it writes only while the row is still running
under its attempt (`owned`). Times are the database's. Celery only wakes workers: a message that could not be sent, or
got lost, is sent again by the reaper (`take_overdue`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Now
from kombu.exceptions import OperationalError as BrokerError

from rpt_core.errors import UserError
from rpt_web.celery import app as celery_app
from rpt_web.jobs.models import QUICK_QUEUE, UNENDED, Job, JobState
from rpt_web.teams.models import User
from rpt_web.text import clean_json, clean_text

EXECUTE_JOB = "workers.execute_job"
SILENT = (
    "The worker fell silent in every attempt. The machine may have too little memory for this. Look at the worker's "
    "log, then start it again."
)
logger = logging.getLogger(__name__)


def submit(kind: str, arguments: Mapping[str, Any], user: User | None) -> Job:
    """Queue a job, and wake a worker on commit."""
    job = Job.objects.create(kind=kind, arguments=clean_json(dict(arguments)), created_by=user)
    transaction.on_commit(partial(dispatch, job.pk))
    return job


def dispatch(job_id: int) -> bool:
    """Send the task that wakes a worker. A failure is logged and left to the reaper."""
    try:
        celery_app.send_task(EXECUTE_JOB, [job_id], queue=QUICK_QUEUE)
    except (BrokerError, OSError) as error:
        logger.warning("job %s could not be sent to the queue (%s); the reaper will send it again", job_id, error)
        return False
    Job.objects.filter(pk=job_id, state=JobState.QUEUED).update(dispatched_at=Now())
    return True


def claim(job_id: int, worker: str) -> Job | None:
    """Make a queued job this worker's own; None when somebody else has it or it is no longer queued."""
    claimed = Job.objects.filter(pk=job_id, state=JobState.QUEUED).update(
        state=JobState.RUNNING,
        attempt=F("attempt") + 1,
        worker=worker[:200],
        lease_until=_lease_end(),
        started_at=Now(),
        progress=None,
        message="",
        error="",
        result={},
    )
    return Job.objects.get(pk=job_id) if claimed else None


def owned(job: Job) -> QuerySet[Job]:
    """The job's row while it is running under this attempt: what every write of a worker goes through."""
    return Job.objects.filter(pk=job.pk, attempt=job.attempt, state=JobState.RUNNING)


def renew(job: Job) -> bool:
    """Hold the lease on; False when the job is no longer this attempt's."""
    return bool(owned(job).update(lease_until=_lease_end()))


def is_cancel_requested(job: Job) -> bool:
    """Whether somebody asked to cancel this job."""
    return Job.objects.filter(pk=job.pk, cancel_requested_at__isnull=False).exists()


def note(job: Job, progress: float | None, message: str, result: Mapping[str, Any] | None = None) -> bool:
    """Say how far a job is, and what it has found so far if anything; False when it is no longer this attempt's."""
    values: dict[str, Any] = {"progress": progress, "message": clean_text(message)[:300], "lease_until": _lease_end()}
    if result is not None:
        values["result"] = clean_json(dict(result))
    return bool(owned(job).update(**values))


def note_obstacle(job_id: int, error: str) -> None:
    """Say on a queued job why no worker has taken it."""
    Job.objects.filter(pk=job_id, state=JobState.QUEUED).update(error=clean_text(error))


def finish(job: Job, result: Mapping[str, Any]) -> bool:
    """End a job well; False when it is no longer this attempt's."""
    return _end(owned(job), JobState.SUCCEEDED, result=clean_json(dict(result)), progress=1.0)


def fail(job: Job, error: str) -> bool:
    """End a job with the reason, in words; False when it is no longer this attempt's."""
    return _end(owned(job), JobState.FAILED, error=clean_text(error))


def end_cancelled(job: Job) -> bool:
    """A worker has stopped because that was asked."""
    return _end(owned(job), JobState.CANCELLED)


def hand_back(job: Job) -> bool:
    """The worker is being stopped: queue the job again; this attempt does not count."""
    return _requeue(owned(job), allowance=1)


def request_cancel(job: Job, user: User | None) -> None:
    """Cancel a queued job at once; ask the worker of a running one to stop. UserError when it has ended."""
    logger.info("cancel of job %s requested by %s", job.pk, user)
    with transaction.atomic():
        row = Job.objects.filter(pk=job.pk, state__in=UNENDED).select_for_update(no_key=True).first()
        if row is None:
            raise UserError("It has ended already. Only what is queued or running can be cancelled.")
        rows = Job.objects.filter(pk=job.pk)
        rows.update(cancel_requested_at=Now())
        _end(rows.filter(state=JobState.QUEUED), JobState.CANCELLED)


def release_lapsed(limit: int = 100) -> list[Job]:
    """For the reaper: jobs whose lease has lapsed are queued again, or failed at the cap. Returns them as they were."""
    with transaction.atomic():
        lapsed = Job.objects.filter(state=JobState.RUNNING, lease_until__lt=Now()).order_by("lease_until")
        jobs = list(lapsed.select_for_update(skip_locked=True)[:limit])
        for job in jobs:
            rows = owned(job)
            if job.cancel_requested_at is not None:
                _end(rows, JobState.CANCELLED)
            elif not _requeue(rows):
                _end(rows, JobState.FAILED, error=SILENT)
    return jobs


def take_overdue(older_than_seconds: float, limit: int = 100) -> list[int]:
    """Ids of queued jobs that were not sent for so long, marked as sent now: the caller sends them."""
    with transaction.atomic():
        rows = _overdue(older_than_seconds).order_by("id").select_for_update(skip_locked=True)
        ids = list(rows.values_list("pk", flat=True)[:limit])
        Job.objects.filter(pk__in=ids).update(dispatched_at=Now())
    return ids


def has_overdue(older_than_seconds: float) -> bool:
    """Whether a queued job was not sent for so long (1 query)."""
    return _overdue(older_than_seconds).exists()


def delete_old(days: int, limit: int = 1000) -> int:
    """Forget jobs that ended so long ago; what they have made stays. Returns how many."""
    ended = Job.objects.exclude(state__in=UNENDED).filter(finished_at__lt=Now() - timedelta(days=days))
    ids = list(ended.order_by("id").values_list("pk", flat=True)[:limit])
    Job.objects.filter(pk__in=ids).delete()
    return len(ids)


def _overdue(older_than_seconds: float) -> QuerySet[Job]:
    long_ago = Q(dispatched_at__lt=Now() - timedelta(seconds=older_than_seconds))
    return Job.objects.filter(long_ago | Q(dispatched_at=None), state=JobState.QUEUED)


def _requeue(rows: QuerySet[Job], allowance: int = 0) -> bool:
    below = rows.filter(attempt__lt=F("max_attempts") + allowance)
    with transaction.atomic():
        ids = list(below.values_list("pk", flat=True))
        requeued = below.update(
            state=JobState.QUEUED,
            worker="",
            lease_until=None,
            dispatched_at=None,
            max_attempts=F("max_attempts") + allowance,
        )
        for job_id in ids if requeued else []:
            transaction.on_commit(partial(dispatch, job_id))
    return bool(requeued)


def _end(rows: QuerySet[Job], state: JobState, **values: Any) -> bool:
    """What it was doing is over."""
    return bool(rows.update(state=state, finished_at=Now(), lease_until=None, message="", **values))


def _lease_end() -> Combinable:
    return Now() + timedelta(seconds=settings.RPT_LEASE_SECONDS)
