"""The promise under fire: real Postgres and Redis, a real Celery worker and reaper, killed in mid-run.

Whatever dies, the run ends well and each of its steps is there once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from rpt_core.plans.preset import PlannedRun, Preset
from rpt_web.celery import app as celery_app
from rpt_web.runs import services
from rpt_web.runs.models import FINAL, Run, Status
from rpt_web.settings import broker_url
from tests.workers.processes import LEASE_SECONDS, wait_for
from workers import runner

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
STEPS = 16


def wait_for_status(run, *statuses):
    wait_for(lambda: Run.objects.values_list("status", flat=True).get(pk=run.pk), *statuses)
    run.refresh_from_db()


def wait_for_step(run, step):
    """Wait until a run has recorded a step, and return the process of its stage."""
    wait_for(lambda: run.metrics.filter(step=step).exists())
    return int((run.directory / "stage.pid").read_text())


def open_gate(run):
    """Let a gated stage go on after step 8."""
    (run.directory / "gate is open").touch()


def check_good_end(run, attempts):
    wait_for_status(run, *FINAL)
    assert (run.status, run.attempt) == (Status.SUCCEEDED, attempts)


def test_the_stage_is_killed(platform, submit, check_once):
    platform.start_worker()
    run = submit("gated", steps=STEPS)
    os.kill(wait_for_step(run, 8), signal.SIGKILL)
    open_gate(run)
    check_good_end(run, attempts=2)
    check_once(run, STEPS)


def test_the_worker_is_killed(platform, submit, check_once):
    worker = platform.start_worker()
    run = submit("gated", steps=STEPS)
    stage = wait_for_step(run, 8)
    worker.kill()
    worker.wait()
    wait_for(lambda: not is_alive(stage))
    open_gate(run)
    platform.start_worker("second")
    check_good_end(run, attempts=2)
    assert run.metrics.filter(values__attempt=1).count() == 5
    check_once(run, STEPS)


def test_redis_is_killed_and_its_data_wiped(platform, submit, check_once):
    platform.start_worker()
    running, waiting = submit("gated", steps=STEPS), submit("well", steps=5)
    wait_for_step(running, 8)
    platform.wipe_redis()
    open_gate(running)
    check_good_end(running, attempts=1)
    check_good_end(waiting, attempts=1)
    check_once(running, STEPS)
    check_once(waiting, 5)


def test_the_database_drops_all_connections(platform, submit, check_once):
    platform.start_worker()
    run = submit("gated", steps=STEPS)
    wait_for_step(run, 8)
    for _ in range(10):
        drop_other_connections()
        time.sleep(0.1)
    open_gate(run)
    drop_other_connections()
    check_good_end(run, attempts=1)
    assert platform.processes["reaper"].poll() is None
    check_once(run, STEPS)


def test_the_database_is_away_for_longer_than_a_lease(platform, submit, check_once):
    platform.start_worker()
    run = submit("gated", steps=STEPS)
    wait_for_step(run, 8)
    with database_shut():
        open_gate(run)
        time.sleep(LEASE_SECONDS + 2)
    check_good_end(run, attempts=1)
    assert platform.processes["reaper"].poll() is None
    check_once(run, STEPS)


def test_a_run_submitted_while_redis_is_away_runs_once_it_is_back(platform, submit, check_once):
    platform.redis.stop()
    run = submit("well", steps=5)
    assert run.status == Status.QUEUED
    platform.redis.start()
    platform.start_worker()
    check_good_end(run, attempts=1)
    check_once(run, 5)


def test_the_worker_is_frozen_and_wakes_up_when_another_has_its_run(platform, submit, check_once):
    frozen = platform.start_worker()
    run = submit("gated", steps=STEPS)
    wait_for_step(run, 8)
    pool = children_of(frozen.pid)
    for pid in (frozen.pid, *pool):
        os.kill(pid, signal.SIGSTOP)
    platform.start_worker("second")
    wait_for(lambda: Run.objects.get(pk=run.pk).attempt, 2)
    for pid in (frozen.pid, *pool):
        os.kill(pid, signal.SIGCONT)
    open_gate(run)
    check_good_end(run, attempts=2)
    check_once(run, STEPS)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGQUIT])
def test_the_worker_is_stopped_and_hands_its_run_back(platform, submit, check_once, signum):
    worker = platform.start_worker()
    run = submit("gated", steps=STEPS, max_attempts=1)
    wait_for_step(run, 8)
    worker.send_signal(signum)
    worker.wait(20)
    run.refresh_from_db()
    assert (run.status, run.attempt) == (Status.QUEUED, 1)
    assert run.checkpoints.last().step == 8
    open_gate(run)
    platform.start_worker("second")
    check_good_end(run, attempts=2)
    assert run.metrics.filter(values__attempt=1).count() == 8
    check_once(run, STEPS)


def test_a_message_delivered_five_times_is_claimed_once(platform, submit, check_once):
    run = submit("well", steps=5)
    with celery_app.connection_for_write(broker_url(platform.redis.url)) as broker:
        for _ in range(5):
            celery_app.send_task(services.EXECUTE_RUN, [run.pk], connection=broker)
    platform.start_worker()
    check_good_end(run, attempts=1)
    log = platform.folder / "worker.log"
    wait_for(lambda: log.read_text().count(" succeeded in ") >= 5)
    run.refresh_from_db()
    assert (run.status, run.attempt) == (Status.SUCCEEDED, 1)
    check_once(run, 5)


def test_a_cancelled_run_stops_within_seconds_and_the_worker_takes_the_next(platform, submit):
    platform.start_worker()
    run, following = submit("gated", steps=STEPS), submit("well", steps=5)
    stage = wait_for_step(run, 8)
    services.request_cancel(run, None)
    requested = time.monotonic()
    wait_for_status(run, Status.CANCELLED)
    assert time.monotonic() - requested < 10
    assert not is_alive(stage)
    check_good_end(following, attempts=1)


def test_a_run_that_kills_its_stage_each_time_is_not_tried_for_ever(platform, submit):
    platform.start_worker()
    run, following = submit("poison", steps=1000), submit("well", steps=5)
    wait_for_status(run, *FINAL)
    assert (run.status, run.attempt) == (Status.FAILED, 3)
    check_good_end(following, attempts=1)


def test_a_run_whose_workers_all_die_is_lost_at_the_cap(platform, submit):
    run = submit("gated", steps=STEPS, max_attempts=2)
    for attempt in (1, 2):
        worker = platform.start_worker(f"worker{attempt}")
        wait_for(lambda: Run.objects.get(pk=run.pk).attempt, attempt)
        worker.kill()
        worker.wait()
    wait_for_status(run, *FINAL)
    assert run.status == Status.LOST
    assert "fell silent in attempt 2, the last automatic one" in run.error


def test_a_suite_goes_on_when_worker_and_redis_die_and_the_database_drops_connections(platform, check_once):
    sizes = {"steps": STEPS, "batch_problems": 3, "group_size": 2, "checkpoint_every_steps": 5}

    def planned(name, model, positions="tests"):
        config = {"model": {"path": model}, "positions": positions, **sizes}
        return PlannedRun(name=name, stage="rpt", title=name, config=config)

    sides = [planned(name, "well", "@base/checkpoint") for name in ("left", "right")]
    tip = planned("tip", "@left/checkpoint", "@right/folder")
    experiment = services.create_experiment("Suite", None)
    graph = Preset(name="graph", description="", runs=[planned("base", "gated"), *sides, tip])
    base, *_ = services.submit_suite(experiment, graph, None)
    worker = platform.start_worker()
    wait_for_step(base, 8)
    worker.kill()
    worker.wait()
    platform.wipe_redis()
    platform.start_worker("second")
    platform.start_worker("third")
    open_gate(base)
    for done in (1, 2, 4):
        wait_for(lambda done=done: experiment.runs.filter(status=Status.SUCCEEDED).count() >= done)
        drop_other_connections()
    assert {run.name: run.attempt for run in experiment.runs.all()} == {"base": 2, "left": 1, "right": 1, "tip": 1}
    for run in experiment.runs.all():
        check_once(run, STEPS)


def test_a_connection_lost_between_claim_and_start_costs_no_attempt(submit, check_once):
    run = services.claim(submit(steps=STEPS).pk, "test")
    with psycopg.connect(**connection.get_connection_params()) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
    runner.execute(run)
    run.refresh_from_db()
    assert (run.status, run.attempt) == (Status.SUCCEEDED, 1)
    check_once(run, STEPS)


def drop_other_connections():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename = current_user"
        )


@contextlib.contextmanager
def database_shut():
    """Nobody but this test has a connection, nor gets one."""
    name = connection.settings_dict["NAME"]
    elsewhere = connection.get_connection_params() | {"dbname": "postgres"}
    statement = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    with psycopg.connect(**elsewhere, autocommit=True) as session:
        session.execute(statement.format(sql.Identifier(name), sql.SQL("false")))
        drop_other_connections()
        try:
            yield
        finally:
            session.execute(statement.format(sql.Identifier(name), sql.SQL("true")))


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def children_of(pid: int) -> list[int]:
    """Celery's pool processes, which are in groups of their own."""
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True)
    return [int(word) for word in found.stdout.split()]
