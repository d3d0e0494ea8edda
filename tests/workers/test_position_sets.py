"""Evaluations say at which positions they were made: by their events, or else by what is on disk."""

from __future__ import annotations

import json

import pytest

from rpt_core.run.events import EventType
from rpt_core.run.folder import RunDir
from rpt_web.corpora.models import RunCorpus
from rpt_web.results.models import EvaluatedSet
from rpt_web.runs.models import Run
from tests.rpt_core.evaluation.outcome_files import row, write_outcomes
from workers import intervals
from workers.recorder import Recorder

pytestmark = pytest.mark.django_db

HASH = "0123456789abcdef0123456789abcdef"
CELL = {"correct": 1, "n": 2, "value": 0.5, "low": 0.1, "high": 0.9, "above_nats": 1.5}


def emit(log, **more):
    log.emit(EventType.STARTED, start_step=0, total_steps=1)
    log.emit(
        EventType.EVALUATION,
        step=0,
        flops=0.0,
        outcomes="evaluations/step-000000.parquet",
        results={"standard": {"hard": CELL}},
        **more,
    )


def test_an_event_that_says_its_positions_makes_a_set_of_the_team(run, log):
    reads = Run.objects.create(experiment=run.experiment, name="filter", stage="filter", config={}, code_version="1")
    RunCorpus.objects.create(
        run=reads, name="Cards", train_documents=1, validation_documents=1, bad_count=0, bad_records=[]
    )
    held_out = {"positions": str(RunDir(reads.directory).positions), "position_set": "held-out"}
    Run.objects.filter(pk=run.pk).update(config={**run.config, "evaluation": held_out})
    run.refresh_from_db()
    emit(log, position_set={"hash": HASH, "positions": 2, "documents": 1}, tokenizer="t1")
    Recorder(run).record_all()
    evaluation = run.evaluations.get()
    assert (evaluation.position_set, evaluation.tokenizer) == (HASH, "t1")
    found = EvaluatedSet.objects.get(team=run.experiment.team)
    assert (found.hash, found.positions, found.documents) == (HASH, 2, 1)
    assert (found.above_nats, found.corpora, found.name) == ({"hard": 1.5}, ["Cards"], "held-out")


def test_one_set_of_several_evaluations_is_one_row(run, log):
    emit(log, position_set={"hash": HASH, "positions": 2, "documents": 1}, tokenizer="t1")
    Recorder(run).record_all()
    emit(log, position_set={"hash": HASH, "positions": 2, "documents": 1}, tokenizer="t1")
    Recorder(run).record_all()
    assert EvaluatedSet.objects.count() == 1


def test_an_older_evaluation_gets_its_positions_from_its_outcomes(run, log, tmp_path):
    (tmp_path / "metadata.json").write_text(json.dumps({"tokenizer_hash": "t2"}))
    Run.objects.filter(pk=run.pk).update(config={**run.config, "model": {"path": str(tmp_path)}})
    run.refresh_from_db()
    path = RunDir(run.directory).evaluation(0)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_outcomes(path, [row("a", 1, standard=True), row("b", 1, standard=False)])
    emit(log)
    Recorder(run).record_all()
    evaluation = run.evaluations.get()
    known = EvaluatedSet.objects.get()
    assert (evaluation.position_set, evaluation.tokenizer) == (known.hash, "t2")
    assert (known.positions, known.documents) == (2, 2)


def test_without_outcomes_the_positions_stay_unknown(run, log):
    emit(log)
    Recorder(run).record_all()
    assert intervals.refresh(run.experiment_id)
    assert run.evaluations.get().position_set == ""
    assert not EvaluatedSet.objects.exists()
