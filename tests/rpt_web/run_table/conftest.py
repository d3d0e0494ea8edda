"""Runs whose numbers are known: three seeds of one setting, two of another, and one that has done nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rpt_core.config import RptConfig
from rpt_web.results.models import Evaluation
from rpt_web.runs import services, summaries
from rpt_web.runs.models import Run, RunAttempt, Status, StepMetrics
from tests.rpt_web.api_client import CONFIG

DAY = datetime(2026, 11, 1, tzinfo=UTC)
REWARDS = {"a0": 0.5, "a1": 0.6, "a2": 0.7, "b0": 0.2, "b1": None}


def submit_known(experiment, user, name, steps, seed, reward):
    """A run of so many steps, whose reward rises from 0 to the given one and whose policy was measured twice."""
    config = RptConfig.model_validate(CONFIG | {"steps": steps, "seed": seed})
    run = services.submit(experiment, name, config, user)
    now = {"status": Status.SUCCEEDED, "attempt": 1, "time_spent": timedelta(hours=2), "flops": 1e15 * (seed + 1)}
    Run.objects.filter(pk=run.pk).update(**now, gpus=2, step=steps, created_at=DAY + timedelta(days=seed))
    RunAttempt.objects.create(run=run, number=1, code_version="x", worker="w", gpus=[0, 1], started_at=DAY)
    values = {1: {"reward_mean": 0.0, "kl": 0.1}, 2: {"reward_mean": reward, "loss": None}}
    StepMetrics.objects.bulk_create(
        StepMetrics(run=run, attempt=1, step=step, time=DAY, values=found) for step, found in values.items()
    )
    cell = {"mode": "greedy", "difficulty": "hard", "attempt": 1, "n": 100}
    for step, value in ((0, 0.1), (steps, reward)):
        if value is not None:
            Evaluation.objects.create(run=run, step=step, value=value, low=value - 0.1, high=value + 0.1, **cell)
    summaries.sum_up([run.pk])
    return run


@pytest.fixture
def runs(experiment, ada):
    """name -> run: a0 to a2 of 10 steps, b0 and b1 of 20, and one that is queued."""
    made = {
        name: submit_known(experiment, ada, name, 10 if name[0] == "a" else 20, int(name[1]), reward)
        for name, reward in REWARDS.items()
    }
    made["queued"] = services.submit(experiment, "queued", RptConfig.model_validate(CONFIG | {"seed": 9}), ada)
    return made
