"""Curves of many runs: thinned in the database, smoothed, put on one axis."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from rpt_web.compare import curves
from rpt_web.compare.curves import RunCurve, interpolated, smoothed
from rpt_web.results.models import Evaluation
from rpt_web.runs.models import Run, StepMetrics
from rpt_web.runs.seed_groups import seed_groups


def measure(run, steps, **values):
    start = timezone.now()
    StepMetrics.objects.bulk_create(
        StepMetrics(
            run=run, attempt=1, step=step, time=start + timedelta(hours=step), flops=step * 1e9,
            values={name: value(step) for name, value in values.items()},
        )
        for step in steps
    )  # fmt: skip


@pytest.mark.django_db
def test_curves_have_all_points_of_a_short_run_and_few_of_a_long_one(run, monkeypatch):
    monkeypatch.setattr(curves, "FEWEST_POINTS", 5)
    monkeypatch.setattr(curves, "POINTS_IN_ALL", 10)
    other = Run.objects.create(experiment=run.experiment, name="b", stage="rpt", config={}, code_version="x")
    measure(run, range(1, 5), loss=lambda step: 1 / step)
    measure(other, range(1, 101), loss=float)
    found = curves.run_curves([run.pk, other.pk], ["loss", "reward_mean"])
    assert found[run.pk].steps == [1, 2, 3, 4]
    assert found[run.pk].values["loss"] == [1, 1 / 2, 1 / 3, 1 / 4]
    assert found[run.pk].values["reward_mean"] == [None] * 4
    assert found[run.pk].hours == pytest.approx([0, 1, 2, 3])
    assert found[other.pk].steps == [20, 40, 60, 80, 100]
    assert found[other.pk].flops[-1] == 100e9


@pytest.mark.django_db
def test_metrics_and_accuracies_are_named_with_how_many_runs_have_them(run):
    measure(run, [1, 2], loss=float)
    for difficulty in ("easy", "hard"):
        Evaluation.objects.create(
            run=run, attempt=1, step=1, mode="sampled", difficulty=difficulty, n=9, value=0.5, low=0, high=1
        )
    assert curves.metric_names([run.pk]) == {"loss": 1, "accuracy/sampled/easy": 1, "accuracy/sampled/hard": 1}
    assert [row.value for row in curves.accuracies([run.pk], "accuracy/sampled/hard")[run.pk]] == [0.5]


def test_tokens_are_speed_times_seconds_of_all_steps():
    curve = RunCurve(steps=[2, 4], values={"tokens_per_second": [1e6, 2e6], "seconds_sampling": [1.0, 2.0]})
    assert curve.tokens == [2, 10]
    assert RunCurve(steps=[2]).tokens == [None]


def test_smoothing_begins_at_the_first_value_and_keeps_gaps():
    assert smoothed([4.0, None, 4.0], 0.9) == [4, None, 4]
    assert smoothed([0.0, 1.0], 0.5) == [0, pytest.approx(2 / 3)]
    assert smoothed([0.0, 1.0], 0.0) == [0, 1]


def test_between_points_lies_a_straight_line_and_beyond_them_nothing():
    assert interpolated([1, 3], [10, 20], [0, 1, 2, 3, 4]) == [None, 10, 15, 20, None]
    assert interpolated([], [], [1]) == [None]


def test_copies_of_one_run_are_seeds_of_one_model_and_so_are_configs_that_differ_in_the_seed():
    def made(name, seed, copy_seed=None, steps=1, experiment=1):
        config = {"seed": seed, "steps": steps}
        return Run(name=name, stage="rpt", config=config, seed=seed, copy_seed=copy_seed, experiment_id=experiment)

    runs = [
        made("s0-rpt", 0, 0),
        made("s1-rpt", 1, 1),
        made("s1-ntp", 1, 1),
        made("a", 0),
        made("b", 5),
        made("c", 0, steps=2),
    ]
    assert seed_groups(runs) == [("rpt", [0, 1]), ("ntp", [2]), ("a", [3, 4]), ("c", [5])]
    assert len(seed_groups([made("s0-rpt", 0, 0), made("s0-rpt", 0, 0, experiment=2)])) == 2
    assert len(seed_groups([made("a", 0), made("b", 0)])) == 2  # the same seed twice is no repetition of the training
