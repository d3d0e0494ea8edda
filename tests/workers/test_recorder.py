"""The recorder makes the same rows of the same file, however often and in whatever pieces it reads it."""

from __future__ import annotations

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from rpt_core.errors import UserError
from rpt_core.events import EventLog, EventType
from rpt_core.result_tables import Chart, Column, Estimate, ResultTable, emit_table
from rpt_core.run_dir import RunDir
from rpt_core.shards import RolloutRow, write_rollouts
from rpt_web.corpora.models import Corpus
from rpt_web.results.models import Evaluation
from rpt_web.runs import services
from rpt_web.runs.models import Run, Status
from rpt_web.traces.models import Rollout
from rpt_web.traces.partitions import partition_name
from workers import recorder
from workers.recorder import Fenced, Recorder

pytestmark = pytest.mark.django_db
CELL = {"correct": 3, "n": 4, "value": 0.75, "low": 0.3, "high": 0.95}


@pytest.fixture
def run(submit):
    run = services.claim(submit().pk, "test")
    RunDir(run.directory).path.mkdir(parents=True)
    return run


@pytest.fixture
def log(run):
    with EventLog(RunDir(run.directory).events, attempt=1) as log:
        yield log


def rollout(step, index, **values):
    row = {
        "step": step,
        "group": index // 2,
        "sample": index % 2,
        "document": "d1",
        "position": 17,
        "entropy_nats": 1.5,
        "prompt": "Problem: 3 + 4 =",
        "response": "7.</think>\\boxed{7}",
        "prediction": b"7",
        "completion": b"7 apples",
        "boundaries": [1, 8],
        "reward": 1.0,
        "reason": "match",
        "mismatch_byte": None,
        "finish_reason": "stop",
        "prompt_tokens": 5,
        "response_tokens": 6,
        "mean_log_prob": -0.1,
        "advantage": 0.5,
    }
    return RolloutRow(**(row | values))


def emit_rollouts(run, log, step, rows, kind="train"):
    folder = RunDir(run.directory)
    shard = folder.rollout_shard(kind, step)
    write_rollouts(shard, rows)
    log.emit(EventType.ROLLOUTS, step=step, kind=kind, shard=folder.relative(shard), rows=len(rows))


def emit_everything(run, log, steps=3):
    log.emit(EventType.STARTED, start_step=0, total_steps=steps)
    documents = {"train": 90, "validation": 10}
    bad = [{"file": "a.jsonl", "line": 3, "problem": "no text"}]
    log.emit(EventType.CORPUS, name="tiny", documents=documents, bad=1, bad_records=bad)
    results = {"standard": {"easy": CELL, "hard": {**CELL, "n": 0, "value": None}}}
    for step in range(1, steps + 1):
        emit_rollouts(run, log, step, [rollout(step, index) for index in range(4)])
        log.emit(EventType.METRICS, step=step, values={"reward": 0.25, "loss": float("nan")}, flops=100.0 * step)
        log.emit(EventType.PROGRESS, step=step, total_steps=steps, what="training")
    log.emit(EventType.CHECKPOINT, step=steps, path=f"checkpoints/step-{steps:06d}", bytes=12, flops=100.0 * steps)
    log.emit(EventType.EVALUATION, step=steps, flops=100.0 * steps, outcomes="evaluations/x.parquet", results=results)
    log.emit(EventType.FINISHED, result={"accuracy": 0.75})


def replay(run):
    """Read the file again from its start, as another recorder would after a crash."""
    Run.objects.filter(pk=run.pk).update(recorded_offset=0, recorded_seq=0)
    Recorder(Run.objects.get(pk=run.pk)).record_all()


def test_each_kind_of_event_becomes_its_rows(run, log):
    emit_everything(run, log)
    Recorder(run).record_all()
    run.refresh_from_db()
    assert (run.step, run.total_steps, run.flops, run.result) == (3, 3, 300.0, {"accuracy": 0.75})
    assert run.recorded_offset == RunDir(run.directory).events.stat().st_size
    assert run.recorded_seq == 14
    assert [(m.step, m.values, m.flops) for m in run.metrics.all()] == [
        (step, {"reward": 0.25, "loss": None}, 100.0 * step) for step in (1, 2, 3)
    ]
    assert [(s.step, s.rows, s.rewarded) for s in run.shards.order_by("step")] == [(1, 4, 4), (2, 4, 4), (3, 4, 4)]
    assert [(c.step, c.bytes) for c in run.checkpoints.all()] == [(3, 12)]
    assert [(e.mode, e.difficulty, e.value) for e in Evaluation.objects.filter(run=run)] == [("standard", "easy", 0.75)]
    corpus = Corpus.objects.get(run=run)
    assert (corpus.train_documents, corpus.validation_documents, corpus.bad_records[0]["line"]) == (90, 10, 3)
    assert [e.type for e in run.events.all()] == ["started", "corpus", "checkpoint", "evaluation", "finished"]


def test_a_rollouts_row_holds_what_lists_need(run, log):
    log.emit(EventType.STARTED, start_step=0, total_steps=1)
    emit_rollouts(run, log, 1, [rollout(1, 0), rollout(1, 1, prediction=None, reward=0.0, reason="no_box")])
    Recorder(run).record_all()
    first, second = Rollout.objects.filter(run_id=run.pk).order_by("id")
    assert (first.group, first.sample, first.position, first.reward, first.reason) == (0, 0, 17, 1.0, "match")
    assert (bytes(first.prediction), bytes(first.completion)) == (b"7", b"7 apples")
    assert (first.preview, first.entropy_nats, first.response_tokens) == ("7.</think>\\boxed{7}", 1.5, 6)
    assert (second.row, second.prediction, second.reason) == (1, None, "no_box")
    assert run.shards.get().rewarded == 1


def test_an_answer_to_a_question_has_no_entropy(run, log):
    log.emit(EventType.STARTED, start_step=0, total_steps=1)
    emit_rollouts(run, log, 0, [rollout(0, 0, document="q7", position=0, entropy_nats=None)], kind="sampled")
    Recorder(run).record_all()
    assert Rollout.objects.get(run_id=run.pk).entropy_nats is None


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


def test_several_metrics_of_one_step_are_one_row(run, log):
    following = Recorder(run)
    log.emit(EventType.METRICS, step=1, values={"loss": 1.0}, flops=5.0)
    log.emit(EventType.METRICS, step=1, values={"reward": 0.5})
    following.record_all()
    log.emit(EventType.METRICS, step=1, values={"length": 9})
    following.record_all()
    row = run.metrics.get()
    assert (row.values, row.flops) == ({"loss": 1.0, "reward": 0.5, "length": 9}, 5.0)


def test_text_that_postgres_cannot_store_is_replaced(run, log):
    long = "\x00" * 50 + "é" * 100
    emit_rollouts(run, log, 1, [rollout(1, 0, response=long, document="a\x00b", prediction=b"\x00\xff")])
    log.emit(EventType.LOG, level="warning", message="NUL \x00 in a line")
    path = RunDir(run.directory).events
    with path.open("a") as file:
        data = {"seq": 3, "attempt": 1, "time": 1.0, "type": "log", "level": "info", "message": "half \ud83d pair"}
        file.write(json.dumps(data) + "\n")
    Recorder(run).record_all()
    row = Rollout.objects.get(run_id=run.pk)
    assert (row.preview, row.document) == ("\ufffd" * 50 + "é" * 46, "a\ufffdb")
    assert bytes(row.prediction) == b"\x00\xff"
    messages = [event.data["message"] for event in run.events.all()]
    assert messages == ["NUL \ufffd in a line", "half \ufffd pair"]


def emit_result_table(run, log, name="modes", step=0, **more):
    columns = [Column("mode", "mode"), Column("accuracy", "accuracy", "share"), Column("cost", "cost", "tokens")]
    rows = [{"mode": "standard", "accuracy": Estimate(0.5, 0.4, 0.6, 100), "cost": None}]
    chart = Chart("bars", x="mode", y=("accuracy",))
    values = {"title": "Modes", "caption": "n 100.", "columns": columns, "rows": rows, "chart": chart} | more
    emit_table(RunDir(run.directory), log, ResultTable(name=name, step=step, **values))


def test_a_result_table_becomes_one_row_and_the_list_of_events_does_not_repeat_it(run, log):
    emit_result_table(run, log)
    Recorder(run).record_all()
    table = run.tables.get()
    assert (table.step, table.name, table.title, table.attempt) == (0, "modes", "Modes", 1)
    assert table.data["caption"] == "n 100."
    assert [column["kind"] for column in table.data["columns"]] == ["text", "share", "tokens"]
    estimate = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 100}
    assert table.data["rows"] == [{"mode": "standard", "accuracy": estimate, "cost": None}]
    assert (table.data["chart"]["kind"], table.data["chart"]["y"]) == ("bars", ["accuracy"])
    assert run.events.get().data == {"name": "modes", "step": 0, "title": "Modes", "path": "tables/modes.json"}


def test_a_table_of_the_same_step_and_name_is_replaced_and_others_are_kept(run, log):
    emit_result_table(run, log)
    emit_result_table(run, log, title="Modes, again")
    emit_result_table(run, log, step=5)
    emit_result_table(run, log, name="frontier")
    Recorder(run).record_all()
    found = set(run.tables.values_list("step", "name", "title"))
    assert found == {(0, "modes", "Modes, again"), (5, "modes", "Modes"), (0, "frontier", "Modes")}


def test_tables_beyond_the_step_of_a_resumed_attempt_are_deleted(run, log):
    emit_result_table(run, log, step=2)
    emit_result_table(run, log, step=4)
    Recorder(run).record_all()
    with EventLog(RunDir(run.directory).events, attempt=2) as second:
        second.emit(EventType.STARTED, start_step=3, total_steps=6)
    Recorder(Run.objects.get(pk=run.pk)).record_all()
    assert list(run.tables.values_list("step", flat=True)) == [2]


def test_hostile_texts_of_a_table_can_be_stored(run, log):
    emit_result_table(
        run,
        log,
        name="frontier",
        title="t\x00" * 400,
        columns=[Column("k\x00", "l\x00")],
        rows=[{"k\x00": "c\x00"}],
        chart=None,
    )
    Recorder(run).record_all()
    table = run.tables.get()
    assert (table.name, table.title) == ("frontier", ("t\ufffd" * 400)[:300])
    assert table.data["columns"][0]["key"] == "k\ufffd"
    assert table.data["rows"] == [{"k\ufffd": "c\ufffd"}]


def test_a_mean_over_several_samples_has_no_count_of_right_ones(run, log):
    results = {"sampled": {"hard": {**CELL, "correct": None}}, "pass@8": {"hard": CELL}, "majority": {"hard": CELL}}
    log.emit(EventType.EVALUATION, step=1, flops=None, outcomes="evaluations/x.parquet", results=results)
    Recorder(run).record_all()
    rows = set(run.evaluations.values_list("mode", "correct", "value"))
    assert rows == {("sampled", None, 0.75), ("pass@8", 3, 0.75), ("majority", 3, 0.75)}


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


def test_a_failure_within_a_batch_leaves_nothing_of_it(run, log, recorded):
    log.emit(EventType.METRICS, step=1, values={"loss": 1.0})
    log.emit(EventType.CHECKPOINT, step=1, path="checkpoints/step-000001")
    with pytest.raises(KeyError):
        Recorder(run).record()
    assert not any(recorded(run).values())
    run.refresh_from_db()
    assert run.recorded_seq == 0


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
    assert queries_for(range(3, 103)) == few <= 8


def test_rollouts_go_to_the_runs_own_partition(run, log):
    emit_rollouts(run, log, 1, [rollout(1, 0)])
    Recorder(run).record_all()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {partition_name(run.pk)}")
        assert cursor.fetchone() == (1,)


def test_a_finished_run_gives_its_newest_checkpoint_to_the_next(run, log):
    emit_everything(run, log)
    RunDir(run.directory).checkpoint(3).mkdir(parents=True)
    Recorder(run).record_all()
    with pytest.raises(UserError, match="Wait for it"):
        services.artifact(run, "checkpoint")
    services.finish(run, run.attempt, Status.SUCCEEDED)
    run.refresh_from_db()
    assert services.artifact(run, "checkpoint") == str(run.directory / "checkpoints/step-000003")
    assert services.artifact(run, "flops") == 300.0
