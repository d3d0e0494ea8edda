"""`manage.py up`, for real: it starts, answers, restarts what died, stops in time, and leaves nothing after."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest
from django.conf import settings as django_settings

from rpt_web.supervisor.embedded import EmbeddedPostgres, EmbeddedRedis
from tests.databases import give_database
from tests.up import PATIENCE_SECONDS, Up, processes_of, wait_for

ROOT = django_settings.ROOT
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")]
TINY_STAGE = {"RPT_STAGE_COMMAND": f"{sys.executable} {ROOT / 'tests' / 'workers' / 'tiny_program.py'}"}
SUBMIT = """
import json, sys
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from rpt_core.config import ModelConfig, RptConfig
from rpt_web.runs import services
from rpt_web.teams.membership import first_team, join
from rpt_web.teams.models import User
user, _ = User.objects.get_or_create(username="tester")
join(user, first_team())
experiment = services.create_experiment("Stops", user)
config = RptConfig(model=ModelConfig(path="{how}"), positions="tests", steps={steps}, batch_problems=3, group_size=2,
                   checkpoint_every_steps=1000)
run = services.submit(experiment, "run", config, user)
session = SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.save()
print("ANSWER", json.dumps({{"run": run.pk, "session": session.session_key}}))
"""
LATER = "SELECT count(*) AS steps FROM runs_stepmetrics WHERE run_id = %s AND attempt > %s"
LOOK = "SELECT status, attempt, step, max_attempts FROM runs_run WHERE id = %s"


@contextlib.contextmanager
def data_folder():
    folder = Path(tempfile.mkdtemp(prefix="rpt-up-"))
    yield folder
    for pid in processes_of(folder):
        with contextlib.suppress(ProcessLookupError):  # it died with one of the others
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not processes_of(folder))
    shutil.rmtree(folder, ignore_errors=True)
    Path(f"{folder}.output").unlink(missing_ok=True)


@pytest.fixture
def data_dir():
    with data_folder() as folder:
        yield folder


@pytest.fixture
def up(data_dir):
    """Started with a database that is migrated, and short leases; `fresh` is what a newcomer starts."""
    give_database(data_dir)
    return Up(data_dir, RPT_LEASE_SECONDS="10", **TINY_STAGE).start().until_ready()


@pytest.fixture(scope="module")
def lasting():
    """The same for tests after which it runs on; it stops well in the end, whatever has died in it."""
    with data_folder() as folder:
        give_database(folder)
        up = Up(folder, **TINY_STAGE).start().until_ready()
        yield up
        assert up.stop(signal.SIGTERM) == 0


@pytest.fixture
def fresh(data_dir):
    return Up(data_dir, **TINY_STAGE).start().until_ready()


def test_it_starts_answers_stops_on_ctrl_c_with_a_run_in_progress_and_goes_on_with_it_when_started_again(fresh):
    up = fresh
    status, body = up.healthz()
    assert (status, body["status"], len(body["start_id"])) == (200, "ok", 16)
    greets_a_newcomer(up)
    assert up.pid_of("-Q quick --concurrency 2"), "what people wait for has a worker of its own"
    assert up.manage("invite", "ada").stdout.startswith(f"http://127.0.0.1:{up.port}/login/link/")
    run = stopped_in_mid_run(up)

    again = Up(up.data_dir, up.port, **TINY_STAGE).start().until_ready()
    assert "manage.py invite NAME" in again.output
    assert again.healthz()[1]["start_id"] != body["start_id"]
    row = wait_for(lambda: (found := again.row(LOOK, run))["status"] == "succeeded" and found)
    assert (row["attempt"], row["max_attempts"], row["step"]) == (2, 4, 60)
    assert again.stop(signal.SIGTERM) == 0
    assert processes_of(up.data_dir) == {}


def greets_a_newcomer(up):
    assert f"http://127.0.0.1:{up.port}" in up.output
    assert f"    http://127.0.0.1:{up.port}/first/" in up.output
    assert "quick: ready after" in up.output
    assert "database schema: made for the first time (" in up.output


def stopped_in_mid_run(up):
    """Stop in time with a run in progress and pages that show it; returns the run, which has one checkpoint."""
    asked = up.ask(SUBMIT.format(how="slow", steps=60))
    running_since_step(up, asked["run"], 3)
    streams = [open_stream(up, asked["run"], asked["session"]) for _ in range(3)]
    assert up.stop(signal.SIGINT) == 0
    assert processes_of(up.data_dir) == {}
    for stream in streams:
        stream.close()
    written = {path.name for path in (up.data_dir / "runs" / str(asked["run"]) / "checkpoints").iterdir()}
    assert len(written) == 1  # by the request to stop: the next regular one is far off
    return asked["run"]


def test_nothing_outlives_a_killed_supervisor_and_the_data_folder_can_be_used_at_once(up):
    asked = up.ask(SUBMIT.format(how="deaf", steps=100_000))
    attempt = running_since_step(up, asked["run"], 3)["attempt"]
    stage = up.pid_of("tiny_program.py rpt")
    assert stage
    assert len(processes_of(up.data_dir)) >= 7
    up.process.kill()
    up.process.wait()
    again = Up(up.data_dir, up.port, RPT_LEASE_SECONDS="10", **TINY_STAGE).start().until_ready()
    assert stage not in processes_of(again.data_dir)
    wait_for(lambda: again.row(LATER, asked["run"], attempt)["steps"] >= 3)
    assert again.stop(signal.SIGTERM) == 0, "in time even when a stage ignores the request"
    assert processes_of(up.data_dir) == {}


def test_a_taken_data_folder_and_a_taken_port_are_refused_in_words(lasting):
    up = lasting
    second = Up(up.data_dir, **TINY_STAGE).start()
    assert second.process.wait(PATIENCE_SECONDS) == 1
    assert f"is used by process {up.process.pid}, which serves http://127.0.0.1:{up.port}" in second.output
    other = Path(tempfile.mkdtemp(prefix="rpt-up-"))
    third = Up(other, up.port, **TINY_STAGE).start()
    assert third.process.wait(PATIENCE_SECONDS) == 1
    assert f"Port {up.port} on 127.0.0.1 cannot be used" in third.output
    assert not (other / "postgres").exists()
    assert up.healthz()[0] == 200
    shutil.rmtree(other)
    third.output_path.unlink()


def test_what_dies_by_itself_is_started_again(lasting):
    up = lasting
    os.kill(up.pid_of("uvicorn"), signal.SIGKILL)
    wait_for(lambda: "web ended unexpectedly (code -9)" in up.output)
    wait_for(lambda: up.healthz()[0] == 200)
    killed = up.pid_of("bin/postgres")
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: "postgres ended unexpectedly" in up.output)
    wait_for(lambda: up.healthz()[0] == 200)  # callers wait for a short while, so that they may never see a 503
    assert up.pid_of("bin/postgres") not in (None, killed)


def test_servers_named_by_the_environment_are_used_and_left_running(data_dir):
    theirs = data_dir / "theirs"
    postgres, redis = EmbeddedPostgres(theirs, durable=False), EmbeddedRedis(theirs, durable=False)
    give_database(theirs)
    for server in (postgres, redis):
        server.start()
    up = Up(data_dir / "ours", **TINY_STAGE)
    up.environment |= {"DATABASE_URL": f"postgresql://rpt@/rpt?host={postgres.sockets}", "REDIS_URL": redis.url}
    up.start().until_ready()
    assert "postgres: the server that DATABASE_URL names" in up.output
    assert up.healthz()[0] == 200
    assert up.stop(signal.SIGTERM) == 0
    assert not (data_dir / "ours" / "postgres").exists()
    assert postgres.ready()
    assert redis.ready()
    redis.stop()
    assert up.start().process.wait(PATIENCE_SECONDS) == 1
    assert "Redis does not answer" in up.output
    postgres.stop()
    assert up.start().process.wait(PATIENCE_SECONDS) == 1
    assert "The database does not answer" in up.output


def running_since_step(up, run, step):
    def look():
        row = up.row(LOOK, run)
        return row if row["status"] == "running" and (row["step"] or 0) >= step else None

    return wait_for(look)


def open_stream(up, run, session):
    connection = http.client.HTTPConnection("127.0.0.1", up.port, timeout=PATIENCE_SECONDS)
    connection.request("GET", f"/runs/{run}/stream", headers={"Cookie": f"sessionid={session}"})
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Content-Type").split(";")[0]) == (200, "text/event-stream")
    assert answer.fp.readline()
    return connection


@pytest.mark.django_db
def test_healthz_answers_without_a_login_and_says_503_when_the_database_is_away(client, monkeypatch):
    from django.db import connection

    monkeypatch.setenv("RPT_START_ID", "abc")
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "start_id": "abc"})
    assert client.post("/healthz").status_code == 405
    pid = connection.cursor().connection.info.backend_pid
    with connection.cursor() as cursor, pytest.raises(Exception, match="terminating connection"):
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "unavailable"
    assert "database does not answer" in answer.json()["reason"]
