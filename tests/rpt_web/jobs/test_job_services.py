"""A job's life: one worker has it, older attempts write nothing, what got stuck is released."""

from __future__ import annotations

import pytest

from rpt_core.errors import UserError
from rpt_web.jobs import services
from rpt_web.jobs.models import Job, JobState

pytestmark = pytest.mark.django_db
LONG_AGO = "2020-01-01T00:00Z"


@pytest.fixture
def job():
    return services.submit("check", {"corpus": 1, "bad": "\x00"}, None)


def lapse(job):
    Job.objects.filter(pk=job.pk).update(lease_until=LONG_AGO)


def state_of(job):
    job.refresh_from_db()
    return job.state


def test_one_worker_has_it(job):
    claimed = services.claim(job.pk, "a:1")
    assert (claimed.state, claimed.attempt, claimed.arguments) == (JobState.RUNNING, 1, {"corpus": 1, "bad": "\ufffd"})
    assert services.claim(job.pk, "b:1") is None


def test_an_older_attempt_writes_nothing(job):
    old = services.claim(job.pk, "a:1")
    lapse(old)
    services.release_lapsed()
    new = services.claim(job.pk, "b:1")
    assert new.attempt == 2
    for write in (
        lambda: services.renew(old),
        lambda: services.note(old, 0.5, "half"),
        lambda: services.finish(old, {"from": "old"}),
        lambda: services.fail(old, "old"),
        lambda: services.hand_back(old),
    ):
        assert write() is False
    assert services.finish(new, {"from": "new"})
    assert (state_of(job), job.result, job.progress) == (JobState.SUCCEEDED, {"from": "new"}, 1.0)


def test_a_job_with_a_lease_is_left_alone(job):
    services.claim(job.pk, "a:1")
    assert services.release_lapsed() == []


def test_a_silent_worker_loses_it_until_its_attempts_are_used_up(job):
    for attempt in range(1, 4):
        claimed = services.claim(job.pk, "a:1")
        assert claimed.attempt == attempt
        lapse(claimed)
        services.release_lapsed()
    assert (state_of(job), job.error) == (JobState.FAILED, services.SILENT)
    assert job.finished_at is not None


def test_a_job_handed_back_keeps_its_attempts(job):
    claimed = services.claim(job.pk, "a:1")
    assert services.hand_back(claimed)
    assert (state_of(job), job.attempt, job.max_attempts, job.worker) == (JobState.QUEUED, 1, 4, "")


def test_a_queued_job_is_cancelled_at_once_and_a_running_one_is_asked(job):
    running = services.claim(services.submit("check", {}, None).pk, "a:1")
    for each in (job, running):
        services.request_cancel(each, None)
    assert state_of(job) == JobState.CANCELLED
    assert state_of(running) == JobState.RUNNING
    assert services.is_cancel_requested(running)
    lapse(running)
    services.release_lapsed()
    assert state_of(running) == JobState.CANCELLED, "a silent worker's job is not started again when nobody wants it"


def test_what_has_ended_cannot_be_cancelled(job):
    services.finish(services.claim(job.pk, "a:1"), {})
    with pytest.raises(UserError, match="has ended already"):
        services.request_cancel(job, None)
    assert state_of(job) == JobState.SUCCEEDED


def test_queued_jobs_are_taken_for_sending_once(job):
    assert services.has_overdue(30)
    assert services.take_overdue(30) == [job.pk]
    assert services.take_overdue(30) == []
    assert not services.has_overdue(30)


def test_a_job_is_sent_once_it_is_committed(monkeypatch, django_capture_on_commit_callbacks):
    sent = []
    monkeypatch.setattr(services, "dispatch", sent.append)
    with django_capture_on_commit_callbacks(execute=True):
        job = services.submit("check", {}, None)
        assert sent == []
    assert sent == [job.pk]


def test_jobs_that_ended_long_ago_are_forgotten(job):
    services.finish(services.claim(job.pk, "a:1"), {})
    assert services.delete_old(30) == 0
    Job.objects.update(finished_at=LONG_AGO)
    unended = services.submit("check", {}, None)
    assert services.delete_old(30) == 1
    assert list(Job.objects.all()) == [unended]
