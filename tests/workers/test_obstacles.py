"""What is no fault of a run does not end it: a disk that is away, another data folder, a stage that does nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from rpt_core.run.folder import RunDir
from rpt_web.runs import display, nodes, services
from rpt_web.runs.models import DataFolder, Run, Status
from tests.up import wait_for
from tests.workers.test_runner import when_running
from workers import disk, life, runner, tasks

pytestmark = pytest.mark.django_db


@pytest.fixture
def data_folder(settings, tmp_path, db):
    """A data folder of this test alone, with the secret key that the settings have, and no mark known yet."""
    DataFolder.objects.all().delete()
    settings.RPT_DATA_DIR = tmp_path / "data"
    settings.RPT_DATA_DIR.mkdir()
    (settings.RPT_DATA_DIR / "secret_key").write_text(settings.SECRET_KEY)
    return settings.RPT_DATA_DIR


def test_a_good_folder_is_no_obstacle_and_the_probe_leaves_nothing(data_folder):
    assert disk.problem() is None
    assert list((data_folder / "runs").iterdir()) == []


def test_an_unmounted_folder_takes_no_runs_and_costs_no_attempt(data_folder, submit):
    runs = [submit("well", steps=5) for _ in range(3)]
    (data_folder / "secret_key").unlink()  # what an empty mount point looks like
    for run in runs:
        tasks.execute_run(run.pk)
        run.refresh_from_db()
        assert (run.status, run.attempt) == (Status.QUEUED, 0)
        assert "cannot be read (No such file or directory" in run.error
        assert "Is its disk mounted?" in run.error


def test_a_folder_that_nothing_can_be_written_to_is_named(data_folder):
    (data_folder / "runs").write_text("no folder")
    assert f"Nothing can be written to {data_folder / 'runs'}" in disk.problem()


def test_another_folder_than_the_platforms_is_refused(data_folder, submit):
    assert submit("well").status == Status.QUEUED
    assert DataFolder.objects.get().mark == nodes.folder_mark()
    assert disk.problem() is None
    DataFolder.objects.update(mark="of another folder")
    assert "is not the platform's" in disk.problem()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_is_called_full(data_folder):
    (data_folder / "runs").mkdir()
    (data_folder / "runs" / f".probe.{os.getpid()}").symlink_to("/dev/full")
    assert disk.problem() == (
        f"The disk of {data_folder / 'runs'} is full. Free some space there; the worker continues by itself."
    )


def test_processor_time_of_a_session_is_seen_to_grow():
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
    try:
        before = life.session_ticks(busy.pid)
        wait_for(lambda: life.session_ticks(busy.pid) > before)
    finally:
        busy.kill()
        busy.wait()
    assert life.session_ticks(-1) == 0


@pytest.mark.slow
def test_a_stage_that_does_nothing_is_shown_ended_and_queued_again(submit, settings, monkeypatch):
    settings.RPT_QUIET_SECONDS = 1
    monkeypatch.setattr(life, "LOOK_SECONDS", 0.1)
    states = []
    quiet = services.note_quiet

    def note(run, seconds):
        quiet(run, seconds)
        states.append(display.run_state(Run.objects.get(pk=run.pk)).label)

    monkeypatch.setattr(services, "note_quiet", note)
    run = services.claim(submit("gated", steps=16).pk, "test")
    when_running(run, lambda pid: os.kill(pid, signal.SIGSTOP))
    runner.execute(run)
    run.refresh_from_db()
    assert states == ["Not responding"]
    assert (run.status, run.attempt) == (Status.QUEUED, 1)
    assert RunDir(run.directory).events.exists()


@pytest.mark.slow
def test_a_bad_end_while_the_folder_is_away_is_not_the_runs_fault(data_folder, submit, monkeypatch):
    run = services.claim(submit("silent", max_attempts=1).pk, "test")
    (data_folder / "secret_key").unlink()
    runner.execute(run)
    run.refresh_from_db()
    assert (run.status, run.attempt, run.max_attempts) == (Status.QUEUED, 1, 2)
    assert "Is its disk mounted?" in run.error
