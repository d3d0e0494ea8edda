"""The reaper releases the runs of silent workers and sends again what Redis has lost."""

from __future__ import annotations

import logging

import pytest
from celery import Celery
from django.core.management import call_command

from rpt_web.celery import app
from rpt_web.runs import nodes, services, waking
from rpt_web.runs.models import Listener, Run, Status
from workers import reaper, tasks

pytestmark = pytest.mark.django_db
LONG_AGO = "2020-01-01T00:00Z"


@pytest.fixture(autouse=True)
def nothing_logged_yet():
    """A reaper is a process of its own."""
    reaper._unheard.clear()


@pytest.fixture
def waiting(redis_server):
    """waiting() -> number of messages in the queue."""
    with app.connection_for_write() as connection:
        client = connection.default_channel.client
        client.delete(app.conf.task_default_queue)
        yield lambda: client.llen(app.conf.task_default_queue)
        client.delete(app.conf.task_default_queue)


def lapse(run):
    Run.objects.filter(pk=run.pk).update(lease_until=LONG_AGO)


def test_a_lapsed_run_is_queued_again(submit):
    run = services.claim(submit().pk, "silent")
    lapse(run)
    reaper.reap_lapsed()
    run.refresh_from_db()
    assert (run.status, run.attempt, run.worker, run.lease_until) == (Status.QUEUED, 1, "", None)


def test_a_run_with_a_lease_is_left_alone(submit):
    run = services.claim(submit().pk, "busy")
    reaper.reap_lapsed()
    run.refresh_from_db()
    assert run.status == Status.RUNNING


def test_a_lapsed_run_at_its_cap_is_lost_and_says_why(submit):
    run = services.claim(submit(max_attempts=1).pk, "silent")
    lapse(run)
    reaper.reap_lapsed()
    run.refresh_from_db()
    assert (run.status, run.error) == (
        Status.LOST,
        "The worker fell silent in attempt 1, the last automatic one. Look at its log, then retry the run.",
    )


def test_a_lapsed_run_that_was_to_be_cancelled_is_cancelled(submit):
    run = services.claim(submit().pk, "silent")
    services.request_cancel(run, None)
    lapse(run)
    reaper.reap_lapsed()
    run.refresh_from_db()
    assert run.status == Status.CANCELLED


def test_a_renewed_lease_wins_against_a_reaper_that_looked_earlier(submit):
    run = services.claim(submit().pk, "slow")
    lapse(run)
    assert services.renew(run)
    assert services.requeue_or_lose(run) is None
    run.refresh_from_db()
    assert run.status == Status.RUNNING


def test_a_queued_run_is_sent_when_its_message_never_was(submit, waiting):
    run = submit()
    reaper.send_overdue()
    run.refresh_from_db()
    assert waiting() == 1
    assert run.dispatched_at is not None


def test_a_run_that_was_just_sent_is_not_sent_again(submit, waiting):
    services.dispatch(submit().pk)
    assert waiting() == 1
    reaper.send_overdue()
    assert waiting() == 1


def test_messages_do_not_pile_up_while_every_worker_is_busy(submit, waiting):
    services.dispatch(submit().pk)
    Run.objects.update(dispatched_at=LONG_AGO)
    for _ in range(3):
        reaper.send_overdue()
    assert waiting() == 1


def test_a_wiped_queue_is_filled_again(submit, waiting):
    runs = [submit(), submit(), submit()]
    for run in runs:
        services.dispatch(run.pk)
    with app.connection_for_write() as connection:
        connection.default_channel.client.flushdb()
    Run.objects.update(dispatched_at=LONG_AGO)
    reaper.send_overdue()
    assert waiting() == 3


def test_a_queue_does_not_wait_for_another_that_is_full(submit, waiting):
    with app.connection_for_write() as connection:
        client = connection.default_channel.client
        client.delete("gpu")
        busy, free = submit(), submit()
        Run.objects.filter(pk=free.pk).update(queue="gpu")
        services.dispatch(busy.pk)
        Run.objects.update(dispatched_at=LONG_AGO)
        reaper.send_overdue()
        assert (waiting(), client.llen("gpu")) == (1, 1)
        client.delete("gpu")


def test_the_log_says_once_that_nobody_listens_to_a_queue(submit, waiting, caplog):
    services.dispatch(submit().pk)
    Run.objects.update(dispatched_at=LONG_AGO)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            reaper.send_overdue()
    assert caplog.text.count("no worker listens to it; start one: .venv/bin/celery -A rpt_web worker -Q default") == 1
    nodes.register("node", ["default"])
    reaper.send_overdue()
    Listener.objects.update(last_heard=LONG_AGO)
    with caplog.at_level(logging.WARNING):
        reaper.send_overdue()
    assert caplog.text.count("no worker listens to it") == 2, "a worker that came and went is missed again"


def test_a_run_is_sent_once_it_is_committed(submit, waiting, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        submit()
        assert waiting() == 0
    assert waiting() == 1


def test_a_queue_that_is_away_is_only_worth_a_line_in_the_log(submit, caplog, monkeypatch):
    away = Celery(broker="redis://127.0.0.1:1/0", set_as_current=False)
    away.conf.update(task_publish_retry=False, broker_transport_options={"max_retries": 0})
    monkeypatch.setattr(waking, "celery_app", away)
    monkeypatch.setattr(reaper, "app", away)
    run = submit()
    with caplog.at_level(logging.WARNING):
        assert services.dispatch(run.pk) is False
        reaper.send_overdue()
    run.refresh_from_db()
    assert run.dispatched_at is None
    assert "could not be sent to the queue" in caplog.text
    assert "the queue does not answer" in caplog.text


def test_the_command_runs_one_round(submit):
    run = services.claim(submit().pk, "silent")
    lapse(run)
    call_command("reaper", "--once")
    run.refresh_from_db()
    assert run.status == Status.QUEUED


def test_the_task_is_registered_under_the_name_that_the_web_sends():
    assert tasks.execute_run.name == services.EXECUTE_RUN
    assert services.EXECUTE_RUN in app.tasks
