"""Real verl and real vLLM train the small model, from the service to the run's page (run by `make test-verl`).

A Celery worker executes every run, the recorder writes to Postgres: pre-training, filter, cold start, then GRPO with
verl: cancelled after its first checkpoint, retried with dynamic sampling on, exported, evaluated with transformers and
with vLLM. One test with one run of it all, since verl takes minutes to start.
"""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
import time
import warnings
from contextlib import contextmanager
from urllib.parse import quote

import pytest
import torch
from django.urls import reverse

from rpt_core.config import STAGES
from rpt_core.plans.preset import PlannedRun, Preset, load_preset
from rpt_core.run.folder import RunDir
from rpt_core.verl_backend.process_tree import marked
from tests.end_to_end.chromium import CHROMIUM, DRIVER, THEMES, WIDTHS, Visitor, chromium
from tests.web_server import web_server

pytestmark = [pytest.mark.verl, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
PATIENCE_SECONDS = 1500
STEPS = 4
PREPARATION = ("base", "filter", "cold-filter", "cold")


def verl_run():
    """The preset's RPT run, with verl."""
    planned = load_preset("smoke").run("rpt")
    changes = {
        "engine": "verl",
        "steps": STEPS,
        "group_size": 4,
        "checkpoint_every_steps": 1,
        "evaluate_at_steps": [0, STEPS],
        "dynamic_sampling": {"from_step": 3, "max_extra_batches": 2},
        "verl": {"micro_batch_per_gpu": 8, "raw_files": "keep"},
    }
    return planned.model_copy(update={"name": "verl", "config": {**planned.config, **changes}})


def evaluation(backend):
    """Evaluate the last checkpoint at the same positions, greedily and with samples."""
    planned = load_preset("smoke").run("rpt-eval")
    config = {**planned.config, "model": {"path": "@verl/checkpoint"}, "rollout_backend": backend}
    config["evaluation"] = {**config["evaluation"], "positions_per_difficulty": 100}
    return PlannedRun(name=f"eval-{backend}", stage="evaluate", title=backend, config=config)


@contextmanager
def celery_worker(settings):
    """A real worker on the test's database and Redis."""
    from django.db import connection

    from rpt_web.runs.models import DEFAULT_QUEUE, GPU_QUEUE

    database = connection.settings_dict
    host, user = quote(database["HOST"], safe=""), quote(database["USER"])
    environment = {
        **os.environ,
        "DATABASE_URL": f"postgresql://{user}@{host}/{database['NAME']}",
        "PYTHONPATH": f"{settings.ROOT}:{settings.ROOT / 'platform'}",
    }
    command = [sys.executable, "-m", "celery", "-A", "rpt_web.celery", "worker", "--concurrency", "1"]
    command += ["-Q", f"{DEFAULT_QUEUE},{GPU_QUEUE}", "--loglevel", "INFO"]
    log = settings.RPT_DATA_DIR / "worker.log"
    with log.open("wb") as output:
        worker = subprocess.Popen(command, cwd=settings.ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: worker.poll() is not None or " ready." in log.read_text(), "the worker is ready")
        yield worker
    finally:
        worker.terminate()
        worker.wait(60)


def wait_for(condition, what):
    """Wait, and say what was waited for when it never comes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)


def check_alive(worker, settings):
    """The worker runs and has met no bug."""
    log = (settings.RPT_DATA_DIR / "worker.log").read_text()
    assert worker.poll() is None, log
    assert "Traceback" not in log, log


def ended(run):
    from rpt_web.runs.models import Status

    run.refresh_from_db()
    return run.status not in (Status.QUEUED, Status.RUNNING, Status.WAITING)


def finish(run):
    """Wait for a run's end, which must be a success."""
    wait_for(lambda: ended(run), f"{run.name} ends")
    assert run.status == "succeeded", f"{run.name}: {run.error}\n{run.log_tail}"


def accuracy(run, mode, difficulty="easy"):
    """Share of right answers with its number of positions."""
    from rpt_web.results.models import Evaluation

    found = Evaluation.objects.get(run=run, step=STEPS, mode=mode, difficulty=difficulty)
    return found.value, found.n


def test_verl_trains_on_a_cpu_from_the_service_to_the_runs_page(redis_server, settings, client, tmp_path):
    needs_no_browser_or_has_one()
    from rpt_web.runs import services
    from tests.factories import make_user

    began = time.monotonic()
    user = make_user("ada")
    experiment = services.create_experiment("verl", user, seed=1)
    with celery_worker(settings) as worker:
        preset = load_preset("smoke")
        runs = [planned for planned in preset.runs if planned.name in PREPARATION]
        services.submit_suite(experiment, Preset(name="verl", description="verl", runs=runs), user)
        for name in PREPARATION:
            finish(experiment.runs.get(name=name))
        run = services.submit_planned(experiment, verl_run(), user)

        wait_for(lambda: run.checkpoints.exists() or ended(run), "a first checkpoint")
        assert run.status == "running", f"{run.error}\n{run.log_tail}"
        services.request_cancel(run, user)
        wait_for(lambda: ended(run), "the cancelled run ends")
        assert run.status == "cancelled"
        assert marked(str(run.directory.resolve() / "verl")) == set()
        saved = max(run.checkpoints.values_list("step", flat=True))
        print(f"cancelled after step {saved} after {time.monotonic() - began:.0f} s")

        services.retry(run, user)
        finish(run)
        assert marked(str(run.directory.resolve() / "verl")) == set()
        print(f"trained after {time.monotonic() - began:.0f} s")

        evaluations = {
            backend: services.submit_planned(experiment, evaluation(backend), user)
            for backend in ("transformers", "vllm")
        }
        for evaluated in evaluations.values():
            finish(evaluated)
        check_alive(worker, settings)

    check_rows(run, saved)
    check_step_against_plain_loop(run, tmp_path)
    check_checkpoint(run)
    check_same_accuracy(evaluations)
    check_page(client, user, run)
    check_in_chromium(client, {"run-verl": run, "run-verl-eval": evaluations["vllm"]})
    print(f"all of it took {time.monotonic() - began:.0f} s")


def check_rows(run, saved):
    """Each step once, complete verdicts, dynamic sampling from its step, evaluations, ledger."""
    from rpt_web.traces.models import Rollout

    assert [event.data["start_step"] for event in run.events.filter(type="started").order_by("seq")] == [0, saved]
    metrics = {row.step: row.values for row in run.metrics.order_by("step")}
    assert list(metrics) == [1, 2, 3, 4]
    for step, values in metrics.items():
        rows = Rollout.objects.filter(run_id=run.pk, kind="train", step=step)
        assert rows.count() % 32 == 0
        assert set(rows.values_list("reason", flat=True)) <= {
            "match",
            "mismatch",
            "not_on_boundary",
            "empty",
            "no_box",
        }
        assert values["reward_mean"] == pytest.approx(rows.filter(reason="match").count() / rows.count())
        assert values["rollout_probability_gap_mean"] < 1e-4
        assert values["gradient_norm"] >= 0
        assert ("groups_sampled" in values) == (step >= 3)
    assert sum(values["reward_mean"] for values in metrics.values()) > 0
    assert any(values["gradient_norm"] > 0 for values in metrics.values())
    assert list(run.checkpoints.order_by("step").values_list("step", flat=True)) == [1, 2, 3, 4]
    assert set(run.evaluations.values_list("step", flat=True)) == {0, STEPS}
    assert {table.name for table in run.tables.all()} >= {"ledger", "solved_positions"}
    assert RunDir(run.directory).ledger.is_file()


def check_step_against_plain_loop(run, scratch):
    """The plain loop's step on the same responses: advantages, loss, gradient, and the way of the weights."""
    from tests.end_to_end.verl_step import compare_first_step

    found = compare_first_step(run.directory, scratch)
    size = found.batch.rewards.shape[1]
    expected = found.batch.advantages * math.sqrt((size - 1) / size)
    torch.testing.assert_close(found.advantages, expected, rtol=0, atol=1e-5)
    assert found.verls["loss"] == pytest.approx(found.ours["loss"] * found.scale, abs=1e-5)
    assert found.verls["gradient_norm"] == pytest.approx(found.ours["gradient_norm"] * found.scale, rel=1e-3)
    assert found.verls["learning_rate"] == pytest.approx(found.ours["learning_rate"])
    from rpt_core.config import ModelConfig
    from rpt_core.models.checkpoints import load_model

    model, _ = load_model(ModelConfig(path=str(RunDir(run.directory).checkpoint(1)), device="cpu"))
    ours, verls = (
        torch.cat([(weights[name] - tensor).flatten() for name, tensor in found.start.items()])
        for weights in (found.weights, model.state_dict())
    )
    cosine = float(torch.nn.functional.cosine_similarity(ours, verls, dim=0))
    print(f"loss {found.ours['loss'] * found.scale} {found.verls['loss']}")
    print(
        f"gradient {found.ours['gradient_norm'] * found.scale} {found.verls['gradient_norm']}, update cosine {cosine}"
    )
    assert cosine > 0.99


def check_checkpoint(run):
    """float32, with the metadata that the next stage reads."""
    from safetensors.torch import load_file

    from rpt_core.models.checkpoints import read_metadata

    path = RunDir(run.directory).checkpoint(STEPS)
    assert {tensor.dtype for tensor in load_file(path / "model.safetensors").values()} == {torch.float32}
    metadata = read_metadata(path)
    assert (metadata["step"], metadata["engine"], metadata["flops"]) == (STEPS, "verl", run.flops)


def check_same_accuracy(evaluations):
    """Greedy responses are nearly the same ones; sampled accuracies differ by no more than sampling explains."""
    for mode, errors in (("standard", 0.0), ("greedy", 0.5), ("sampled", 4.0)):
        (ours, n), (vllms, n_vllm) = (accuracy(evaluations[backend], mode) for backend in ("transformers", "vllm"))
        print(f"{mode}: transformers {ours:.3f}, vLLM {vllms:.3f}, n {n}")
        assert n == n_vllm > 0
        pooled = (ours + vllms) / 2
        assert abs(ours - vllms) <= errors * math.sqrt(2 * pooled * (1 - pooled) / n) + 1.5 / n


def check_page(client, user, run):
    """The run's page shows charts of what verl reported, and its rollouts."""
    client.force_login(user)
    page = "".join(client.get(f"/runs/{run.pk}/{tab}/").content.decode() for tab in ("curves", "groups"))
    for words in (
        "Reward",
        "Gradient norm",
        "Rollout against trainer",
        "Groups of a step",
        "What became of the groups",
    ):
        assert words in page, words
    name = f"{socket.gethostname()} (.venv-verl)"
    assert run.worker.startswith(f"{name}:")
    assert name in client.get("/nodes/").content.decode()
    rollouts = client.get(f"/runs/{run.pk}/rollouts/").content.decode()
    assert "mismatch" in rollouts or "match" in rollouts
    assert STAGES["rpt"].model_validate(run.config).engine == "verl"


def needs_no_browser_or_has_one():
    """Say at the start, not after a quarter of an hour, that pages cannot be opened."""
    if CHROMIUM and DRIVER:
        return
    assert os.environ.get("RPT_REQUIRE_BROWSER") != "1", "Chromium or its driver is not installed"
    warnings.warn("The run's pages are not opened in a browser: Chromium or its driver is missing", stacklevel=1)


def check_in_chromium(client, runs):
    """Pages in a real browser, light and dark, wide and narrow: every chart is drawn, and nothing is complained of."""
    from django.conf import settings

    if not (CHROMIUM and DRIVER):
        return
    pages = {name: reverse("runs:run_curves", args=[run.pk]) for name, run in runs.items()}
    pages["rollouts-verl"] = reverse("traces:rollout_list", args=[runs["run-verl"].pk])
    pages["experiment-verl"] = reverse("experiments:experiment_detail", args=[runs["run-verl"].experiment_id])
    pages["results-verl"] = reverse("results:experiment_results", args=[runs["run-verl"].experiment_id])
    with web_server() as port, chromium() as browser:
        visit = Visitor(browser, f"http://127.0.0.1:{port}", client.cookies[settings.SESSION_COOKIE_NAME].value)
        for name, path in pages.items():
            for theme in THEMES:
                for width in WIDTHS:
                    with visit(path, theme, width):
                        visit.picture(f"{name}-{theme}-{width}")
        with visit(pages["run-verl"]):
            visit.draw_all()
            plot = "document.querySelector('[data-figure=rollout-probabilities] .plot')"
            lengths = browser.execute_script(f"return {plot}.data.map((line) => line.x.length)")
            assert lengths == [STEPS, STEPS], "trainer against rollout probabilities"
