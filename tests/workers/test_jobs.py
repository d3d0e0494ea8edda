"""How a job is carried out: what it finds, what goes wrong with it, and that it stops when it is to."""

from __future__ import annotations

import errno
import logging
import re
import time

import pytest

from rpt_core.errors import UserError
from rpt_web.celery import app
from rpt_web.jobs import services
from rpt_web.jobs.models import Job, JobState
from workers import jobs, reports, shutdown, tasks
from workers.reports import JobReport

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def carry_out(monkeypatch):
    """carry_out(work) -> the job after it was carried out."""

    def carry_out(work, **arguments):
        monkeypatch.setitem(jobs.KINDS, "work", work)
        job = services.submit("work", arguments, None)
        tasks.execute_job(job.pk)
        job.refresh_from_db()
        return job

    return carry_out


def raising(error):
    def work(job, report):
        raise error

    return work


def test_the_task_is_registered_under_the_name_that_the_web_sends():
    assert tasks.execute_job.name == services.EXECUTE_JOB
    assert services.EXECUTE_JOB in app.tasks


def test_what_it_returns_is_its_result(carry_out):
    job = carry_out(lambda job, report: {"twice": 2 * job.arguments["number"]}, number=21)
    assert (job.state, job.result, job.progress, job.error) == (JobState.SUCCEEDED, {"twice": 42}, 1.0, "")


def test_what_it_says_on_the_way_is_stored(carry_out, monkeypatch):
    monkeypatch.setattr(reports, "SECONDS_BETWEEN_WRITES", 0.0)
    seen = []

    def work(job, report):
        report(0.25, "a\x00b", {"hits": [1]})
        seen.append(Job.objects.values("progress", "message", "result").get(pk=job.pk))
        return {"hits": [1, 2]}

    job = carry_out(work)
    assert (job.result, job.message) == ({"hits": [1, 2]}, ""), "what it was doing is over"
    assert seen == [{"progress": 0.25, "message": "a\ufffdb", "result": {"hits": [1]}}]


def test_a_fault_of_the_user_is_told_in_its_own_words(carry_out):
    job = carry_out(raising(UserError("a.jsonl is empty. Name another file.")))
    assert (job.state, job.error) == (JobState.FAILED, "a.jsonl is empty. Name another file.")


def test_a_bug_is_told_by_a_number_and_the_log_has_its_traceback(carry_out, caplog):
    with caplog.at_level(logging.ERROR):
        job = carry_out(raising(ZeroDivisionError("secret words")))
    assert job.state == JobState.FAILED
    assert "secret words" not in job.error
    (number,) = re.findall(r"^Internal error, number ([0-9a-f]{16})\.", job.error)
    assert number in caplog.text
    assert "ZeroDivisionError: secret words" in caplog.text


def test_a_full_disk_is_told_in_words(carry_out, settings):
    job = carry_out(raising(OSError(errno.ENOSPC, "No space left on device")))
    assert job.error == f"The disk of {settings.RPT_DATA_DIR} is full. Free some space there, then start it again."


def test_a_kind_that_this_worker_does_not_know_fails_in_words():
    job = services.submit("mow the lawn", {}, None)
    tasks.execute_job(job.pk)
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert "does not know jobs of the kind 'mow the lawn'" in job.error


def test_it_notices_that_it_is_cancelled(carry_out, settings):
    settings.RPT_LEASE_SECONDS = 2

    def work(job, report):
        services.request_cancel(job, None)
        for _ in range(200):
            report()
            time.sleep(0.05)
        return {}

    assert carry_out(work).state == JobState.CANCELLED


def test_it_notices_that_another_worker_has_it(carry_out, settings):
    settings.RPT_LEASE_SECONDS = 2

    def work(job, report):
        Job.objects.filter(pk=job.pk).update(attempt=7)
        for _ in range(200):
            report()
            time.sleep(0.05)
        return {"from": "the old one"}

    job = carry_out(work)
    assert (job.state, job.attempt, job.result) == (JobState.RUNNING, 7, {})


def test_its_lease_is_renewed_while_it_says_nothing(settings):
    settings.RPT_LEASE_SECONDS = 2
    job = services.claim(services.submit("work", {}, None).pk, "a:1")
    first = job.lease_until
    with JobReport(job):
        for _ in range(100):
            job.refresh_from_db()
            if job.lease_until > first:
                break
            time.sleep(0.05)
    assert job.lease_until > first


def test_it_is_handed_back_when_the_worker_is_stopped(carry_out):
    def work(job, report):
        shutdown.request()
        report()
        return {}

    try:
        job = carry_out(work)
    finally:
        shutdown.withdraw()
    assert (job.state, job.max_attempts) == (JobState.QUEUED, 4)


def test_a_worker_whose_folder_is_not_the_platforms_takes_none(carry_out, monkeypatch):
    monkeypatch.setattr(tasks.disk, "problem", lambda: "The disk is full.")
    job = carry_out(lambda job, report: {})
    assert job.state == JobState.QUEUED
    assert job.error.endswith("does not take it: The disk is full.")
