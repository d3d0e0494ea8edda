"""A retry of a run whose folder has lost something: it starts over where it must, says so, and ends with every step."""

from __future__ import annotations

import shutil

import pytest

from rpt_core.run.events import EventType, read_events
from rpt_core.run.folder import RunDir
from rpt_web.runs.models import RunEvent, StepMetrics
from workers import tasks
from workers.event_rows import NOT_LISTED

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
STEPS = 10


@pytest.fixture
def broken_off(submit):
    """A run that was killed at step 7, after its checkpoint of step 5; started over, it is killed there again."""
    run = submit("half a line", steps=STEPS, max_attempts=5)
    tasks.execute_run(run.pk)
    run.refresh_from_db()
    assert (run.status, run.step) == ("queued", 7)
    return run


def go_on(run):
    """Let it go on until it ends, and return what it said of its losses."""
    while run.status == "queued":
        tasks.execute_run(run.pk)
        run.refresh_from_db()
    assert run.status == "succeeded", run.error
    return [row.data["message"] for row in run.events.filter(type="log", data__level="warning")]


def check_rows_are_those_of_the_folder(run):
    """No row more, and none less, than the events tell of."""
    events = list(read_events(RunDir(run.directory).events))
    listed = [event.seq for event in events if event.type not in NOT_LISTED]
    assert list(RunEvent.objects.filter(run=run).order_by("seq").values_list("seq", flat=True)) == listed
    steps = {event.data["step"] for event in events if event.type == EventType.METRICS}
    assert set(StepMetrics.objects.filter(run=run).values_list("step", flat=True)) == steps == set(range(1, STEPS + 1))


def keep_lines(run, count):
    events = RunDir(run.directory).events
    events.write_bytes(b"".join(events.read_bytes().splitlines(keepends=True)[:count]))


def test_a_deleted_folder_is_begun_anew_with_the_loss_said(broken_off, check_once):
    shutil.rmtree(broken_off.directory)
    (said,) = go_on(broken_off)
    assert f"are gone: its folder {broken_off.directory} was deleted" in said
    assert "since attempt 1" in said
    assert "(recorded: step 7)" in said
    assert broken_off.events.order_by("seq").first().data["message"] == said
    check_once(broken_off, STEPS)
    check_rows_are_those_of_the_folder(broken_off)
    assert said in RunDir(broken_off.directory).log.read_text()


def test_checkpoints_without_events_are_set_aside_and_the_run_begins_anew(broken_off, check_once):
    RunDir(broken_off.directory).events.unlink()
    shutil.rmtree(RunDir(broken_off.directory).rollouts)
    said = go_on(broken_off)
    assert len(said) == 2
    assert "does not mention 1 checkpoint that is there" in said[1]
    assert "The run starts over; renamed: step-000005.without-events." in said[1]
    check_once(broken_off, STEPS)
    check_rows_are_those_of_the_folder(broken_off)


@pytest.mark.parametrize(("lines", "resumes_from"), [(4, 0), (18, 5)])
def test_events_that_were_cut_take_the_checkpoints_behind_them_along(broken_off, check_once, lines, resumes_from):
    """Line 1 says that it started, each step has three more, and line 17 is the checkpoint of step 5."""
    keep_lines(broken_off, lines)
    said = go_on(broken_off)
    assert "was deleted, truncated or replaced" in said[0]
    assert broken_off.events.filter(type="started", attempt=2).get().data["start_step"] == resumes_from
    check_once(broken_off, STEPS)
    check_rows_are_those_of_the_folder(broken_off)


def test_checkpoints_that_are_gone_are_named(broken_off, check_once):
    shutil.rmtree(RunDir(broken_off.directory).checkpoints)
    assert "What the run had written is no longer there: checkpoints/step-000005." in go_on(broken_off)
    check_once(broken_off, STEPS)
    check_rows_are_those_of_the_folder(broken_off)


def test_a_folder_that_has_lost_nothing_says_nothing(broken_off, check_once):
    assert go_on(broken_off) == []
    assert broken_off.attempt == 2
    check_once(broken_off, STEPS)
    check_rows_are_those_of_the_folder(broken_off)
