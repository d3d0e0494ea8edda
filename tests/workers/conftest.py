"""Runs of a tiny stage that keeps the contract and misbehaves on demand, see tiny_stage.py."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from rpt_core.config import ModelConfig, RptConfig
from tests.workers.processes import LEASE_SECONDS, Platform, database_url
from workers import runner

TINY_PROGRAM = Path(__file__).with_name("tiny_program.py")


@pytest.fixture
def tiny_stage(settings, monkeypatch):
    """Makes runners start the tiny stage. Returns its command."""
    settings.RPT_STAGE_COMMAND = [sys.executable, str(TINY_PROGRAM)]
    settings.RPT_LEASE_SECONDS = 3
    monkeypatch.setattr(runner, "TICK_SECONDS", 0.05)
    monkeypatch.setenv("PYTHONPATH", f"{settings.ROOT}:{settings.ROOT / 'platform'}")
    return settings.RPT_STAGE_COMMAND


@pytest.fixture
def submit(tiny_stage):
    """submit(how, steps=..., max_attempts=...) queues a run of the tiny stage."""
    from rpt_web.runs import services

    experiment = services.create_experiment("Faults", None)

    def submit(how="well", steps=10, max_attempts=3):
        config = RptConfig(
            model=ModelConfig(path=how),
            positions="tests",  # any folder that is there
            steps=steps,
            batch_problems=3,
            group_size=2,
            checkpoint_every_steps=5,
        )
        name = f"run {experiment.runs.count() + 1}"
        return services.submit(experiment, name, config, None, max_attempts=max_attempts)

    return submit


@pytest.fixture
def recorded():
    """recorded(run) -> what was recorded of it, in a form that can be compared."""
    from rpt_web.results.models import Evaluation, ResultTable
    from rpt_web.runs.models import Checkpoint, MetricSummary, RunEvent, StepMetrics
    from rpt_web.traces.models import Rollout, RolloutShard

    def recorded(run):
        models = (StepMetrics, MetricSummary, Checkpoint, RunEvent, Evaluation, ResultTable, RolloutShard, Rollout)
        rows = {}
        for model in models:
            names = [field.name for field in model._meta.local_fields if field.name not in ("id", "pk")]
            names += ["id"] if model is Rollout else []
            found = model.objects.filter(run_id=run.pk).values(*names)
            rows[model.__name__] = sorted(found, key=lambda row: str(sorted(row.items(), key=str)))
        return rows

    return recorded


@pytest.fixture
def check_once(recorded):
    """check_once(run, steps): each step of a finished run is there once, with all its rollouts."""

    def check_once(run, steps):
        rows = recorded(run)
        assert sorted(row["step"] for row in rows["StepMetrics"]) == list(range(1, steps + 1))
        assert sorted(row["step"] for row in rows["RolloutShard"]) == list(range(1, steps + 1))
        assert {row["rows"] for row in rows["RolloutShard"]} == {6}
        expected = [(step, row) for step in range(1, steps + 1) for row in range(6)]
        assert sorted((row["step"], row["row"]) for row in rows["Rollout"]) == expected
        sequence = sorted(row["seq"] for row in rows["RunEvent"])
        assert len(sequence) == len(set(sequence))

    return check_once


@pytest.fixture
def run(submit):
    """A run that is claimed, with its folder."""
    from rpt_core.run.folder import RunDir
    from rpt_web.runs import services

    run = services.claim(submit().pk, "test")
    RunDir(run.directory).path.mkdir(parents=True)
    return run


@pytest.fixture
def log(run):
    """The log of events of its first attempt."""
    from rpt_core.run.events import EventLog
    from rpt_core.run.folder import RunDir

    with EventLog(RunDir(run.directory).events, attempt=1) as log:
        yield log


@pytest.fixture
def platform(tiny_stage, settings):
    folder = Path(tempfile.mkdtemp(prefix="rpt-faults-"))  # below pytest's own, root's servers would go elsewhere
    environment = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "RPT_LEASE_SECONDS": str(LEASE_SECONDS),
        "RPT_REDISPATCH_SECONDS": "1",
        "RPT_STAGE_COMMAND": " ".join(tiny_stage),
    }
    platform = Platform(folder, environment)
    environment["REDIS_URL"] = platform.redis.url
    platform.redis.start()
    platform.start_reaper()
    yield platform
    platform.stop()
    print(platform.logs())  # pytest shows it when the test has failed
    shutil.rmtree(folder)
