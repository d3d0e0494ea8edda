"""One list of metric names: what stages emit, what charts draw, what verl's metrics become."""

from __future__ import annotations

import pytest

from rpt_core.run.events import EventLog, read_events
from rpt_core.run.metrics import METRICS, emit_metrics
from rpt_core.verl_backend import records
from rpt_web.results.metric_figures import CHARTS


def test_a_step_writes_metrics_by_their_names(tmp_path):
    with EventLog(tmp_path / "events.jsonl") as log:
        emit_metrics(log, 3, {"loss": 0.5}, 1e6)
    (event,) = read_events(tmp_path / "events.jsonl")
    assert (event.type, event.data) == ("metrics", {"step": 3, "values": {"loss": 0.5}, "flops": 1e6})


def test_a_name_that_is_not_listed_is_refused(tmp_path):
    with EventLog(tmp_path / "events.jsonl") as log, pytest.raises(ValueError, match="does not list lose, won"):
        emit_metrics(log, 3, {"won": 1, "lose": 2, "loss": 3}, 0)
    assert not list(read_events(tmp_path / "events.jsonl"))


def test_each_metric_has_one_chart_and_charts_draw_nothing_else():
    drawn = [name for chart in CHARTS for name in chart.metrics]
    assert sorted(drawn) == sorted(METRICS)


def test_verls_metrics_become_ours():
    assert set(records.METRICS.values()) <= METRICS.keys()
