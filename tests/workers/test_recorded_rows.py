"""The rows that each kind of event becomes."""

from __future__ import annotations

import json

import pytest
from django.db import connection

from rpt_core.errors import UserError
from rpt_core.run.events import EventLog, EventType
from rpt_core.run.folder import RunDir
from rpt_core.run.tables import Chart, Column, Estimate, ResultTable, emit_table
from rpt_web.compare.models import EngineConfig
from rpt_web.corpora.models import RunCorpus
from rpt_web.results.models import Evaluation
from rpt_web.runs import services
from rpt_web.runs.models import Run, Status
from rpt_web.traces.models import Rollout
from rpt_web.traces.partitions import partition_name
from tests.workers.emitted import CELL, emit_everything, emit_rollouts, rollout
from workers.recorder import Recorder

pytestmark = pytest.mark.django_db


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
    corpus = RunCorpus.objects.get(run=run)
    assert (corpus.train_documents, corpus.validation_documents, corpus.bad_records[0]["line"]) == (90, 10, 3)
    assert [e.type for e in run.events.all()] == ["started", "corpus", "checkpoint", "evaluation", "finished"]


def test_what_an_engine_resolved_is_kept_of_the_newest_attempt_alone(run, log):
    log.emit(EventType.STARTED, start_step=0, total_steps=1)
    for lr in (0.5, 0.25):
        path = "verl/attempt-001/resolved_config.json"
        log.emit(EventType.ENGINE_CONFIG, engine="verl", path=path, values={"actor": {"lr": lr, "name": "a\x00b"}})
        Recorder(Run.objects.get(pk=run.pk)).record_all()
    kept = EngineConfig.objects.get(run=run)
    assert (kept.engine, kept.attempt, kept.values["actor"]["lr"]) == ("verl", run.attempt, 0.25)
    assert "\x00" not in kept.values["actor"]["name"]
    listed = [event.data for event in run.events.all() if event.type == "engine_config"]
    assert listed == [{"engine": "verl", "path": path}] * 2


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


def test_the_share_without_a_box_is_kept_where_the_run_says_it(run, log):
    results = {"sampled": {"hard": {**CELL, "no_box": 0.25}}, "greedy": {"hard": CELL}}
    log.emit(EventType.EVALUATION, step=1, flops=None, outcomes="evaluations/x.parquet", results=results)
    Recorder(run).record_all()
    assert dict(run.evaluations.values_list("mode", "no_box")) == {"sampled": 0.25, "greedy": None}


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
