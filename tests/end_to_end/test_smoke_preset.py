"""Every stage for real, through services, worker function, recorder and pages; the RPT run is killed on its way."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from rpt_core.plans.preset import load_preset
from rpt_core.run.folder import RunDir
from rpt_core.run.rollout_files import read_rollouts_at
from rpt_web.results.models import Evaluation
from rpt_web.runs import services
from rpt_web.runs.models import Status
from rpt_web.traces.models import Rollout
from tests.factories import make_user
from workers import runner, tasks

EACH_STAGE = ("base", "filter", "cold-filter", "cold", "rpt", "expert-responses", "rpt-eval")
pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture
def one_thread(monkeypatch, settings):
    """Stages find the packages and leave the other cores alone."""
    monkeypatch.setenv("PYTHONPATH", f"{settings.ROOT}:{settings.ROOT / 'platform'}")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(runner, "TICK_SECONDS", 0.1)


def kill_once_it_has_a_checkpoint(run):
    """kill -9 the stage as soon as its first checkpoint is complete."""

    def wait():
        while not RunDir(run.directory).checkpoint_steps():
            time.sleep(0.02)
        os.kill(int((run.directory / "stage.pid").read_text()), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def test_a_preset_runs_through_the_worker_and_its_pages_show_it(one_thread, client):
    user = make_user("ada")
    experiment = services.create_experiment("Smoke", user, preset="smoke", seed=0)
    for planned in map(load_preset("smoke").run, EACH_STAGE):
        run = services.submit_planned(experiment, planned, user)
        if planned.name == "rpt":
            kill_once_it_has_a_checkpoint(run)
        tasks.execute_run(run.pk)
        if planned.name == "rpt":
            run.refresh_from_db()
            assert (run.status, run.attempt) == (Status.QUEUED, 1)
            tasks.execute_run(run.pk)
        run.refresh_from_db()
        assert run.status == Status.SUCCEEDED, f"{planned.name}: {run.error}\n{run.log_tail}"
    check_rpt_run(experiment.runs.get(name="rpt"))
    client.force_login(user)
    for address in ("/", f"/experiments/{experiment.pk}/", f"/experiments/{experiment.pk}/results/"):
        assert client.get(address).status_code == 200, address
    for run in experiment.runs.all():
        for address in (
            f"/runs/{run.pk}/",
            f"/runs/{run.pk}/curves/",
            f"/runs/{run.pk}/files/",
            f"/runs/{run.pk}/metrics.json",
            f"/runs/{run.pk}/rollouts/",
        ):
            assert client.get(address).status_code == 200, (run.name, address)


def check_rpt_run(run):
    """Each step once, with all of its rollouts, and the newest checkpoint at the end."""
    config = run.config
    rows = config["batch_problems"] * config["group_size"]
    assert run.attempt == 2
    assert [row.step for row in run.metrics.all()] == [1, 2, 3, 4, 5, 6]
    trained = run.shards.filter(kind="train").order_by("step")
    assert [(shard.step, shard.rows) for shard in trained] == [(step, rows) for step in range(1, 7)]
    for shard in run.shards.all():
        found = Rollout.objects.filter(run_id=run.pk, kind=shard.kind, step=shard.step)
        assert found.count() == shard.rows
        assert found.filter(reward__gt=0).count() == shard.rewarded
    first = Rollout.objects.filter(run_id=run.pk, kind="train").order_by("id")[0]
    (full,) = read_rollouts_at(run.directory / trained[0].path, [first.row])
    assert full.response.startswith(first.preview.rstrip("\ufffd"))
    cells = Evaluation.objects.filter(run=run)
    assert sorted(set(cells.values_list("step", flat=True))) == [0, 1, 2, 3, 4, 6]
    assert set(cells.values_list("mode", flat=True)) == {"standard", "sampled", "greedy"}
    assert run.checkpoints.last().step == 6
