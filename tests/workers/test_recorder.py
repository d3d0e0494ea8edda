"""The recorder makes the same rows of the same file, however often and in whatever pieces it reads it."""

from __future__ import annotations

import json

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from rpt_core.run.events import EventLog, EventType
from rpt_core.run.folder import RunDir
from rpt_web.results.models import Evaluation
from rpt_web.runs import services
from rpt_web.runs.models import Run, Status
from rpt_web.traces.models import Rollout
from tests.workers.emitted import emit_everything, emit_rollouts, replay, rollout
from workers import event_rows, recorder
from workers.recorder import Fenced, Recorder

pytestmark = pytest.mark.django_db


def test_reading_the_same_file_twice_gives_the_same_rows(run, log, recorded):
    emit_everything(run, log)
    Recorder(run).record_all()
    before = recorded(run)
    replay(run)
    assert recorded(run) == before


def test_batches_of_any_size_give_the_same_rows(run, log, recorded, monkeypatch):
    emit_everything(run, log)
    Recorder(run).record_all()
    before = recorded(run)
    monkeypatch.setattr(recorder, "BATCH_EVENTS", 1)
    replay(run)
    assert recorded(run) == before


def test_half_a_line_waits_until_it_is_whole(run, log):
    log.emit(EventType.METRICS, step=1, values={"loss": 1.0}, flops=None)
    line = (
        json.dumps({"seq": 2, "attempt": 1, "time": 1.0, "type": "metrics", "step": 2, "values": {"loss": 0.5}}) + "\n"
    )
    events = RunDir(run.directory).events
    following = Recorder(run)
    with events.open("a") as file:
        file.write(line[:30])
        file.flush()
        following.record_all()
        assert list(run.metrics.values_list("step", flat=True)) == [1]
        file.write(line[30:])
    following.record_all()
    assert list(run.metrics.values_list("step", "values")) == [(1, {"loss": 1.0}), (2, {"loss": 0.5})]


def test_a_resumed_attempt_deletes_what_lies_beyond_its_checkpoint(run, log):
    emit_everything(run, log, steps=6)
    Recorder(run).record_all()
    with EventLog(RunDir(run.directory).events, attempt=2) as second:
        second.emit(EventType.STARTED, start_step=2, total_steps=6)
        second.emit(EventType.METRICS, step=3, values={"reward": 0.75}, flops=333.0)
        emit_rollouts(run, second, 3, [rollout(3, 0, reward=0.0, reason="mismatch")])
    Recorder(Run.objects.get(pk=run.pk)).record_all()
    assert list(run.metrics.values_list("step", "attempt")) == [(1, 1), (2, 1), (3, 2)]
    assert list(run.shards.order_by("step").values_list("step", "rows")) == [(1, 4), (2, 4), (3, 1)]
    assert Rollout.objects.filter(run_id=run.pk).count() == 9
    assert not run.checkpoints.exists()
    assert not Evaluation.objects.filter(run=run).exists()
    run.refresh_from_db()
    assert (run.step, run.result, run.flops) == (3, {}, 333.0)


def test_a_shard_that_is_written_again_replaces_its_rows(run, log):
    emit_rollouts(run, log, 0, [rollout(0, index) for index in range(6)], kind="sampled")
    emit_rollouts(run, log, 0, [rollout(0, index) for index in range(6)], kind="greedy")
    emit_rollouts(run, log, 0, [rollout(0, index) for index in range(2)], kind="sampled")
    Recorder(run).record_all()
    kinds = list(Rollout.objects.filter(run_id=run.pk).order_by("id").values_list("kind", flat=True))
    assert kinds == ["sampled"] * 2 + ["greedy"] * 6


def test_a_stale_attempt_cannot_write(run, log, recorded):
    stale = Recorder(run)
    emit_everything(run, log)
    Run.objects.filter(pk=run.pk).update(attempt=2)
    with pytest.raises(Fenced):
        stale.record()
    assert not any(recorded(run).values())


def test_nothing_is_written_to_a_run_that_has_ended(run, log, recorded):
    services.finish(run, run.attempt, Status.FAILED, error="no more")
    emit_everything(run, log)
    with pytest.raises(Fenced):
        Recorder(run).record()
    assert not any(recorded(run).values())


def test_an_outage_within_a_batch_leaves_nothing_of_it(run, log, recorded, monkeypatch):
    log.emit(EventType.METRICS, step=1, values={"loss": 1.0})
    log.emit(EventType.CHECKPOINT, step=1, path="checkpoints/step-000001", bytes=4)

    def lost(run, events):
        raise OperationalError("the connection is lost")

    monkeypatch.setitem(event_rows._WRITERS, EventType.CHECKPOINT, lost)
    with pytest.raises(OperationalError):
        Recorder(run).record()
    assert not any(recorded(run).values())
    run.refresh_from_db()
    assert run.recorded_seq == 0


def test_an_event_that_cannot_be_recorded_is_left_out_by_name_and_the_others_are_there(run, log):
    log.emit(EventType.METRICS, step=1, values={"loss": 1.0})
    log.emit(EventType.CHECKPOINT, step=1, path="checkpoints/step-000001")  # without `bytes`
    log.emit(EventType.METRICS, step=2, values={"loss": 0.5})
    Recorder(run).record_all()
    assert list(run.metrics.values_list("step", flat=True)) == [1, 2]
    assert not run.checkpoints.exists()
    assert "event 2 (checkpoint) cannot be recorded: there is no 'bytes'" in RunDir(run.directory).log.read_text()
    run.refresh_from_db()
    assert run.recorded_offset == RunDir(run.directory).events.stat().st_size


def test_a_line_that_is_no_event_is_warned_of_once_and_passed_over(run, log):
    log.emit(EventType.METRICS, step=1, values={"loss": 1.0})
    with RunDir(run.directory).events.open("ab") as file:
        file.write(b"\0\0\0\n")
    reader = Recorder(run)
    reader.record_all()
    reader.record_all()
    assert RunDir(run.directory).log.read_text().count("events.jsonl, line 2: not valid JSON; it is left out.") == 1
    log.emit(EventType.METRICS, step=2, values={"loss": 0.5})
    reader.record_all()
    assert list(run.metrics.values_list("step", flat=True)) == [1, 2]


def test_a_shard_that_was_cut_off_does_not_stop_the_rest(run, log):
    emit_everything(run, log)
    path = next(RunDir(run.directory).rollouts.iterdir())
    path.write_bytes(path.read_bytes()[:-40])
    Recorder(run).record_all()
    assert run.metrics.exists()
    assert not run.shards.filter(path=f"rollouts/{path.name}").exists()
    assert f"rollouts/{path.name} cannot be read (" in RunDir(run.directory).log.read_text()


def test_a_shard_that_is_gone_does_not_stop_the_rest(run, log):
    log.emit(EventType.ROLLOUTS, step=1, kind="train", shard="rollouts/train-000001.parquet", rows=4)
    log.emit(EventType.METRICS, step=1, values={"loss": 1.0})
    Recorder(run).record_all()
    assert run.metrics.count() == 1
    assert not run.shards.exists()


def test_a_file_that_lost_lines_in_a_crash_is_read_from_its_start(run, log, recorded):
    emit_everything(run, log)
    Recorder(run).record_all()
    events = RunDir(run.directory).events
    lines = events.read_bytes().splitlines(keepends=True)
    events.write_bytes(b"".join(lines[:5]))
    with EventLog(events, attempt=2) as second:
        second.emit(EventType.STARTED, start_step=1, total_steps=3)
        second.emit(EventType.METRICS, step=2, values={"reward": 1.0})
    Recorder(Run.objects.get(pk=run.pk)).record_all()
    assert list(run.metrics.values_list("step", flat=True)) == [1, 2]


def test_the_number_of_queries_does_not_grow_with_the_number_of_events(run, log):
    def queries_for(steps):
        for step in steps:
            log.emit(EventType.METRICS, step=step, values={"loss": 1.0})
            log.emit(EventType.LOG, level="info", message="hello")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert following.record() == 2 * len(steps)
        return len(queries)

    following = Recorder(run)
    few = queries_for(range(1, 3))
    assert queries_for(range(3, 103)) == few <= 9
