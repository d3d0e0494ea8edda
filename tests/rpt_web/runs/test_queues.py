"""Runs wait where a worker can do them, and say so when there is none."""

from __future__ import annotations

import pytest

from rpt_core.config import ModelConfig, RptConfig
from rpt_core.plans.preset import load_preset
from rpt_web.celery import app
from rpt_web.runs import nodes, queues, services
from rpt_web.runs.models import Listener, Run
from rpt_web.runs.queues import choose_queues, queue_for
from tests.factories import make_experiment

LONG_AGO = "2020-01-01T00:00Z"


def rpt(**more):
    return RptConfig(model=ModelConfig(path="m"), positions="p", **more)


@pytest.mark.parametrize(
    ("config", "queue"),
    [
        (rpt(), "default"),
        (rpt(engine="verl"), "gpu"),
        (rpt(rollout_backend="vllm"), "gpu"),
        (rpt(rollout_backend="transformers"), "default"),
        (RptConfig(model=ModelConfig(path="m", device="cuda"), positions="p"), "gpu"),
        (RptConfig(model=ModelConfig(path="m", device="cpu"), positions="p"), "default"),
    ],
)
def test_the_config_decides_the_queue(config, queue):
    assert queue_for(config.model_dump(mode="json")) == queue


def test_a_device_within_a_list_counts():
    assert queue_for({"models": [{"device": "cpu"}, {"device": "cuda"}]}) == "gpu"


@pytest.mark.parametrize(
    ("preset", "queue"), [("tiny", "default"), ("small", "gpu"), ("paper", "gpu"), ("?", "default")]
)
def test_what_the_preset_requires_counts_for_all_its_runs(preset, queue):
    assert queue_for({}, preset) == queue


@pytest.mark.django_db
class TestOfRows:
    def test_a_run_takes_its_queue_when_it_is_made(self, ada):
        run = services.submit(make_experiment(ada), "rpt", rpt(engine="verl"), ada)
        assert Run.objects.get(pk=run.pk).queue == "gpu"

    def test_a_waiting_run_has_the_queue_of_its_plan(self, ada):
        experiment = make_experiment(ada, preset="small")
        runs = services.submit_suite(experiment, load_preset("small"), ada, anyway=True)
        assert {(run.status, run.queue) for run in runs} == {("queued", "gpu"), ("waiting", "gpu")}
        tiny = services.submit_suite(make_experiment(ada), load_preset("tiny"), ada)
        assert {run.queue for run in tiny} == {"default"}

    def test_it_is_sent_to_its_queue(self, ada, redis_server):
        run = services.submit(make_experiment(ada), "rpt", rpt(engine="verl"), ada)
        with app.connection_for_write() as connection:
            client = connection.default_channel.client
            client.delete("gpu", "default")
            assert services.dispatch(run.pk)
            assert (client.llen("gpu"), client.llen("default")) == (1, 0)
            client.delete("gpu")

    def test_a_queue_is_heard_while_a_worker_speaks(self):
        assert not queues.is_heard("gpu")
        nodes.register("node-1", ["gpu"])
        assert queues.is_heard("gpu")
        assert not queues.is_heard("gpu", besides="node-1")
        assert not queues.is_heard("default")
        Listener.objects.update(last_heard=LONG_AGO)
        assert not queues.is_heard("gpu")

    def test_the_only_worker_takes_all_runs(self):
        nodes.register("here", ["default", "gpu"])  # its own last start does not count
        assert choose_queues(has_gpu=False, node="here") == ["default", "gpu"]

    def test_beside_a_gpu_node_a_worker_without_one_leaves_it_the_runs(self):
        nodes.register("gpu-node", ["gpu"])
        assert choose_queues(has_gpu=False, node="here") == ["default"]
        assert choose_queues(has_gpu=True, node="here") == ["default", "gpu"]

    def test_the_page_of_a_queued_run_says_that_nobody_listens(self, ada, page):
        run = services.submit(make_experiment(ada), "rpt", rpt(engine="verl"), ada)
        nodes.register("cpu-node", ["default"])
        text = page(f"/runs/{run.pk}/")
        assert "no worker listens to its queue “gpu”" in text
        command = "source .venv-gpu/bin/activate &amp;&amp; celery -A rpt_web worker -Q gpu --loglevel INFO"
        assert f"<code>{command}</code>" in text
        nodes.register("gpu-node", ["gpu"])
        text = page(f"/runs/{run.pk}/")
        assert "no worker listens" not in text
        assert "queue gpu" in text

    def test_a_run_that_does_not_wait_for_a_worker_asks_nobody(self, ada, page):
        run = services.submit(make_experiment(ada), "rpt", rpt(), ada)
        services.request_cancel(run, ada)
        assert "no worker listens" not in page(f"/runs/{run.pk}/")
