"""A runner executes one claimed run in this process: each way a stage can end has its state, message and rows."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from django.db import connection

from rpt_core.config import STAGES
from rpt_core.run.folder import RunDir
from rpt_web.runs import services
from rpt_web.runs.models import Run, Status
from workers import rollout_rows, runner, shutdown
from workers.stage_process import StageProcess

pytestmark = [pytest.mark.django_db, pytest.mark.slow]  # each starts processes


@pytest.fixture
def execute(submit):
    """execute(how, ...) submits, claims and executes a run, and returns it as it is then."""

    def execute(*arguments, **options):
        run = services.claim(submit(*arguments, **options).pk, "test")
        runner.execute(run)
        run.refresh_from_db()
        return run

    return execute


def again(run):
    """One more attempt of a queued run."""
    claimed = services.claim(run.pk, "test")
    assert claimed is not None
    runner.execute(claimed)
    run.refresh_from_db()


def when_running(run, act):
    """Do something to the stage's process once it has written its first events."""

    def wait():
        folder = RunDir(run.directory)
        while not folder.events.exists() or folder.events.read_bytes().count(b"\n") < 5:
            time.sleep(0.02)
        act(int((run.directory / "stage.pid").read_text()))

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_a_run_that_finishes_has_succeeded_and_all_its_rows_are_there(execute, check_once):
    run = execute(steps=10)
    assert (run.status, run.exit_code, run.attempt, run.error) == (Status.SUCCEEDED, 0, 1, "")
    assert (run.result, run.step, run.total_steps, run.flops) == ({"accuracy": 0.5}, 10, 10, 1e7)
    assert [c.step for c in run.checkpoints.all()] == [5, 10]
    assert [e.type for e in run.events.all()] == ["started", "checkpoint", "checkpoint", "finished"]
    assert run.finished_at is not None
    assert run.lease_until is None
    check_once(run, 10)


@pytest.mark.django_db(transaction=True)
def test_a_connection_lost_while_rollouts_are_copied_is_waited_for(submit, check_once, monkeypatch):
    make_rows, losses = rollout_rows._rows, []

    def rows_without_a_connection(shard, batch, start):
        if not losses:
            losses.append(connection.connection.info.backend_pid)
            with closing(connection.copy()) as other, other.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(%s, 5000)", losses)
        return make_rows(shard, batch, start)

    monkeypatch.setattr(rollout_rows, "_rows", rows_without_a_connection)
    run = services.claim(submit(steps=5).pk, "test")
    runner.execute(run)
    run.refresh_from_db()
    assert losses
    assert (run.status, run.attempt, run.error) == (Status.SUCCEEDED, 1, "")
    check_once(run, 5)


def test_a_declared_error_fails_the_run_with_its_own_message(execute):
    run = execute("bad input")
    assert (run.status, run.exit_code) == (Status.FAILED, 2)
    assert run.error == "The corpus is empty. Name another file."


def test_a_bug_fails_the_run_with_the_end_of_the_log(execute):
    run = execute("bug")
    assert (run.status, run.exit_code, run.attempt) == (Status.FAILED, 1, 1)
    assert "exit code 1" in run.error
    assert "RuntimeError: a bug at step 3" in run.log_tail


def test_a_bug_is_told_although_the_log_was_set_aside(execute, monkeypatch):
    monkeypatch.setattr("rpt_web.supervisor.processes.LARGEST_LOG_BYTES", 20)
    run = execute("bug")
    assert "RuntimeError: a bug at step 3" in run.log_tail


def test_the_folder_of_a_run_and_its_log_are_closed_to_others(execute):
    run = execute(steps=2)
    assert run.directory.stat().st_mode & 0o007 == 0
    assert run.directory.parent.stat().st_mode & 0o007 == 0


def test_a_stage_that_ends_without_a_word_has_failed(execute):
    run = execute("silent")
    assert (run.status, run.exit_code) == (Status.FAILED, 0)
    assert "without saying" in run.error


def test_a_killed_stage_goes_on_from_its_newest_checkpoint(execute, check_once):
    run = execute("half a line", steps=12)
    assert (run.status, run.attempt) == (Status.QUEUED, 1)
    again(run)
    assert (run.status, run.attempt) == (Status.SUCCEEDED, 2)
    check_once(run, 12)
    attempts = [row.values["attempt"] for row in run.metrics.order_by("step")]
    assert attempts == [1] * 5 + [2] * 7


def test_a_run_that_kills_its_stage_each_time_fails_at_the_cap(execute):
    run = execute("poison", max_attempts=2)
    assert run.status == Status.QUEUED
    again(run)
    assert (run.status, run.attempt, run.exit_code) == (Status.FAILED, 2, -signal.SIGKILL)
    assert "killed by SIGKILL" in run.error
    assert services.claim(run.pk, "test") is None


@pytest.mark.django_db(transaction=True)
def test_a_cancelled_run_stops_with_a_checkpoint(submit):
    run = services.claim(submit("slow", steps=1000).pk, "test")

    def cancel(pid):
        services.request_cancel(run, None)
        connection.close()

    when_running(run, cancel)
    runner.execute(run)
    run.refresh_from_db()
    assert (run.status, run.exit_code) == (Status.CANCELLED, 3)
    assert run.checkpoints.count() == 1


def test_a_stage_that_ignores_the_request_is_killed_after_the_grace(submit, settings):
    settings.RPT_CANCEL_GRACE_SECONDS = 1
    run = services.claim(submit("deaf", steps=1000).pk, "test")
    when_running(run, lambda pid: None)
    started = time.monotonic()
    services.request_cancel(run, None)
    runner.execute(run)
    run.refresh_from_db()
    assert run.status == Status.CANCELLED
    assert run.exit_code in (-signal.SIGKILL, -signal.SIGTERM)  # TERM when it came before the stage could refuse it
    assert time.monotonic() - started < 15


def test_a_cancelled_run_can_be_retried_and_goes_on(submit, check_once):
    run = services.claim(submit("slow", steps=6).pk, "test")
    services.request_cancel(run, None)
    runner.execute(run)
    services.retry(run, None)
    again(run)
    assert (run.status, run.attempt) == (Status.SUCCEEDED, 2)
    check_once(run, 6)


def test_a_worker_that_is_stopped_hands_its_run_back_without_counting_the_attempt(submit, check_once):
    run = services.claim(submit("slow", steps=12, max_attempts=1).pk, "test")
    when_running(run, lambda pid: shutdown.request())
    try:
        runner.execute(run)
    finally:
        shutdown.withdraw()
    run.refresh_from_db()
    assert (run.status, run.attempt, run.max_attempts) == (Status.QUEUED, 1, 2)
    assert run.checkpoints.exists()
    again(run)
    assert (run.status, run.attempt) == (Status.SUCCEEDED, 2)
    check_once(run, 12)


def test_a_runner_that_lost_its_run_kills_its_stage_and_writes_nothing(submit, recorded):
    run = submit("slow", steps=1000)
    stale = services.claim(run.pk, "frozen")
    Run.objects.filter(pk=run.pk).update(lease_until="2020-01-01T00:00Z")
    assert services.requeue_or_lose(stale) == Status.QUEUED
    newer = services.claim(run.pk, "other")
    runner.execute(stale)
    run.refresh_from_db()
    assert (run.status, run.attempt, run.worker, run.recorded_seq) == (Status.RUNNING, 2, "other", 0)
    assert not any(recorded(run).values())
    assert not services.finish(stale, stale.attempt, Status.FAILED)
    assert not services.renew(stale)
    assert services.renew(newer)


def test_the_stage_that_a_frozen_worker_left_is_ended_before_the_next_attempt(submit, check_once):
    run = services.claim(submit("slow", steps=8).pk, "frozen")
    folder = RunDir(run.directory)
    folder.create(STAGES["rpt"].model_validate(run.config))
    leftover = StageProcess(folder, "rpt", run.attempt)
    leftover.start()
    when_running(run, lambda pid: None).join()
    Run.objects.filter(pk=run.pk).update(lease_until="2020-01-01T00:00Z")
    services.requeue_or_lose(run)
    again(run)
    assert leftover.wait(5) == -signal.SIGKILL
    assert (run.status, run.attempt) == (Status.SUCCEEDED, 2)
    check_once(run, 8)


def test_a_config_that_this_version_does_not_take_fails_with_the_field_named(submit):
    run = submit()
    Run.objects.filter(pk=run.pk).update(config={**run.config, "steps": -1})
    runner.execute(services.claim(run.pk, "test"))
    run.refresh_from_db()
    assert run.status == Status.FAILED
    assert "steps: Give a number above 0." in run.error


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads the environment of a process from /proc")
def test_the_stage_is_not_told_where_database_and_queue_are(submit, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret@host/name")
    monkeypatch.setenv("REDIS_URL", "redis://secret@host")
    run = services.claim(submit("slow", steps=1000).pk, "test")
    seen = []

    def look(pid):
        seen.append(Path(f"/proc/{pid}/environ").read_text())
        os.killpg(pid, signal.SIGKILL)

    when_running(run, look)
    runner.execute(run)
    assert seen
    assert "secret" not in seen[0]


def test_a_run_whose_path_now_leads_out_of_what_may_be_read_is_not_started(submit, settings, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    settings.RPT_READ_ROOTS = [*settings.RPT_READ_ROOTS[1:], root]
    (root / "m").mkdir()
    run = submit(str(root / "m"))
    (root / "m").rmdir()
    (root / "m").symlink_to("/etc")
    runner.execute(services.claim(run.pk, "test"))
    run.refresh_from_db()
    assert run.status == Status.FAILED
    assert "`model.path`" in run.error
    assert "is not below a folder that runs may read" in run.error
    assert not RunDir(run.directory).events.exists()
