"""What came of each metric is kept in a few numbers, which are those that its steps give."""

from __future__ import annotations

import importlib

import pytest
from django.db import connection

from rpt_core.run.events import EventLog, EventType
from rpt_core.run.folder import RunDir
from rpt_web.runs import summaries
from rpt_web.runs.models import MetricSummary, Run, StepMetrics
from tests.workers.emitted import replay
from workers import recorder
from workers.recorder import Recorder

pytestmark = pytest.mark.django_db
LOSSES = {1: 0.5, 2: 0.25, 3: float("nan"), 4: 0.75, 5: 0.25, 6: 0.75, 7: float("inf")}
FIELDS = ("metric", "last", "last_step", "min", "min_step", "max", "max_step")


def kept(run):
    return list(MetricSummary.objects.filter(run=run).values_list(*FIELDS))


def emit_losses(log):
    for step, loss in LOSSES.items():
        log.emit(EventType.METRICS, step=step, values={"loss": loss} | ({"reward_mean": 1} if step == 3 else {}))


def test_the_last_smallest_and_largest_value_are_kept_with_their_first_steps(run, log):
    emit_losses(log)
    Recorder(run).record_all()
    assert kept(run) == [("loss", 0.75, 6, 0.25, 2, 0.75, 4), ("reward_mean", 1.0, 3, 1.0, 3, 1.0, 3)]


@pytest.mark.parametrize("events", [1, 2, 500])
def test_pieces_of_any_size_and_reading_again_give_the_same(run, log, monkeypatch, events):
    monkeypatch.setattr(recorder, "BATCH_EVENTS", events)
    emit_losses(log)
    Recorder(run).record_all()
    before = kept(run)
    replay(run)
    assert kept(run) == before
    summaries.sum_up([run.pk])
    assert kept(run) == before, "as the database sums up by itself"


def test_steps_that_an_attempt_makes_again_do_not_count_twice(run, log):
    emit_losses(log)
    Recorder(run).record_all()
    with EventLog(RunDir(run.directory).events, attempt=2) as second:
        second.emit(EventType.STARTED, start_step=1, total_steps=6)
        second.emit(EventType.METRICS, step=2, values={"loss": 0.4})
    Recorder(Run.objects.get(pk=run.pk)).record_all()
    assert kept(run) == [("loss", 0.4, 2, 0.4, 2, 0.5, 1)]


def test_a_value_that_is_replaced_is_forgotten(run, log):
    log.emit(EventType.METRICS, step=1, values={"loss": 0.1})
    log.emit(EventType.METRICS, step=2, values={"loss": 0.5})
    Recorder(run).record_all()
    log.emit(EventType.METRICS, step=1, values={"loss": 0.9})
    Recorder(Run.objects.get(pk=run.pk)).record_all()
    assert kept(run) == [("loss", 0.5, 2, 0.5, 2, 0.9, 1)]


def test_the_migration_fills_in_what_older_runs_have_recorded(run, log):
    emit_losses(log)
    Recorder(run).record_all()
    before = kept(run)
    row = StepMetrics.objects.filter(run=run).first()
    row.values = row.values | {"odd": "text", "flag": True}
    row.save()
    MetricSummary.objects.all().delete()
    migration = importlib.import_module("rpt_web.runs.migrations.0021_metric_summaries")
    with connection.cursor() as cursor:
        cursor.execute(migration.SUMMED_UP)
    assert kept(run) == before
