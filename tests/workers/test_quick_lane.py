"""Nothing that a person waits for stands behind training: real Postgres, Redis, workers and reaper."""

from __future__ import annotations

import os
import signal

import pytest

from rpt_web.jobs import services
from rpt_web.jobs.models import UNENDED, Job, JobState
from rpt_web.runs.models import Run, Status
from tests.workers.processes import PATIENCE_SECONDS, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
KINDS = "tests.workers.quick_kinds"


def count(steps=3, seconds=0.05):
    return services.submit("count", {"steps": steps, "seconds": seconds}, None)


def ended(job):
    wait_for(lambda: not Job.objects.filter(pk=job.pk, state__in=UNENDED).exists())
    job.refresh_from_db()
    return job


def under_way(job):
    wait_for(lambda: Job.objects.filter(pk=job.pk, state=JobState.RUNNING, progress__gt=0).exists())


def test_a_job_ends_while_the_worker_of_runs_is_busy(platform, submit):
    platform.start_worker()
    platform.start_quick(app=KINDS)
    run, behind = submit("gated", steps=16), submit("gated", steps=16)
    wait_for(lambda: run.metrics.filter(step=8).exists())
    jobs = [ended(count()), ended(count())]
    assert [(job.state, job.result) for job in jobs] == [(JobState.SUCCEEDED, {"steps": 3, "attempt": 1})] * 2
    statuses = Run.objects.in_bulk([run.pk, behind.pk])
    assert [statuses[key].status for key in (run.pk, behind.pk)] == [Status.RUNNING, Status.QUEUED]


def test_a_job_of_a_killed_worker_is_done_by_the_next(platform):
    worker = platform.start_quick(app=KINDS)
    job = count(steps=40, seconds=0.2)
    under_way(job)
    os.killpg(worker.pid, signal.SIGKILL)
    platform.start_quick("second", app=KINDS)
    assert (ended(job).state, job.result["attempt"]) == (JobState.SUCCEEDED, 2)


def test_a_worker_that_is_stopped_hands_its_job_back_and_the_attempt_does_not_count(platform):
    worker = platform.start_quick(app=KINDS)
    job = count(steps=200, seconds=0.1)
    under_way(job)
    worker.terminate()
    assert worker.wait(PATIENCE_SECONDS) == 0
    job.refresh_from_db()
    assert (job.state, job.attempt, job.max_attempts) == (JobState.QUEUED, 1, 4)


def test_a_cancelled_job_stops(platform):
    platform.start_quick(app=KINDS)
    job = count(steps=10_000, seconds=0.1)
    under_way(job)
    services.request_cancel(job, None)
    assert ended(job).state == JobState.CANCELLED


def test_a_job_whose_message_was_lost_is_sent_again(platform):
    job = count()
    platform.wipe_redis()
    platform.start_quick(app=KINDS)
    assert ended(job).state == JobState.SUCCEEDED


def test_a_job_that_needs_too_much_memory_fails_in_words_and_others_go_on(platform):
    platform.environment["RPT_JOB_MEMORY_BYTES"] = "300000000"
    platform.start_quick(app=KINDS)
    greedy = [services.submit("hoard", {}, None) for _ in range(2)]
    for job in (ended(job) for job in greedy):
        assert (job.state, job.attempt) == (JobState.FAILED, 1)
        assert job.error.startswith("It needs more than 300 MB of memory, all that a job may take here.")
    after = [ended(count()) for _ in range(3)]  # the same processes do them
    assert {job.state for job in after} == {JobState.SUCCEEDED}
    assert {job.worker for job in after} <= {job.worker for job in greedy}
