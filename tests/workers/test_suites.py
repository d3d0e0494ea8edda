"""Suites in the hands of workers: real stages, one after the other, and what the reaper puts right in between."""

from __future__ import annotations

import base64
import json

import pytest

from rpt_core.plans.preset import PlannedRun, Preset
from rpt_web.celery import app
from rpt_web.runs import services
from rpt_web.runs.models import Run, Status
from tests.suite_graphs import states
from workers import reaper, tasks

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
SIZES = {"steps": 5, "batch_problems": 3, "group_size": 2, "checkpoint_every_steps": 5, "seed": "@seed"}


def planned(name, model="well", positions="tests"):
    config = {"model": {"path": model}, "positions": positions, **SIZES}
    return PlannedRun(name=name, stage="rpt", title=name, config=config)


@pytest.fixture
def queue(redis_server):
    """queue() -> ids of the runs whose messages wait in Redis, taken out of it."""
    name = app.conf.task_default_queue
    with app.connection_for_write() as connection:
        redis = connection.default_channel.client
        redis.delete(name)

        def queue():
            messages = redis.rpop(name, 1000) or []
            return [json.loads(base64.b64decode(json.loads(message)["body"]))[0][0] for message in messages]

        yield queue
        redis.delete(name)


@pytest.fixture
def suite(tiny_stage):
    """suite(run, ...) submits a graph and returns its experiment."""

    def suite(*runs):
        experiment = services.create_experiment("Suite", None, seed=3)
        services.submit_suite(experiment, Preset(name="p", description="d", runs=runs), None)
        return experiment

    return suite


def work(queue):
    """Be the only worker until no message is left; returns the names of the runs in their order."""
    names = []
    while ids := queue():
        for run_id in ids:
            tasks.execute_run(run_id)
            names.append(Run.objects.get(pk=run_id).name)
    return names


def test_a_graph_is_worked_off_by_messages_alone(suite, queue):
    experiment = suite(
        planned("base"),
        planned("left", "@base/checkpoint"),
        planned("right", "@base/checkpoint@5"),
        planned("tip", "@left/checkpoint", "@right/folder"),
    )
    assert work(queue) == ["base", "left", "right", "tip"]
    assert set(states(experiment).values()) == {"succeeded"}
    tip, right = experiment.runs.get(name="tip"), experiment.runs.get(name="right")
    assert tip.config["positions"] == str(right.directory)
    assert (tip.seed, tip.attempt, tip.step) == (3, 1, 5)


def test_a_run_that_fails_in_the_middle_stops_only_its_branch_until_it_is_resubmitted(suite, queue):
    experiment = suite(
        planned("base"),
        planned("broken", "bad input", "@base/folder"),
        planned("after", "@broken/checkpoint"),
        planned("other", "@base/checkpoint"),
    )
    assert work(queue) == ["base", "broken", "other"]
    assert states(experiment) == {
        "base": "succeeded",
        "broken": "failed",
        "after": "waiting",
        "other": "succeeded",
    }
    broken = experiment.runs.get(name="broken")
    Run.objects.filter(pk=broken.pk).update(config={**broken.config, "model": {"path": "well"}})
    services.resubmit(experiment, None)
    assert work(queue) == ["broken", "after"]
    assert set(states(experiment).values()) == {"succeeded"}


def test_what_redis_forgets_the_reaper_sends_again(suite, queue, settings):
    settings.RPT_REDISPATCH_SECONDS = 0
    experiment = suite(planned("base"), planned("more", "@base/checkpoint"))
    queue()  # the message of `base` is lost
    reaper.run_round()
    tasks.execute_run(*queue())
    assert states(experiment) == {"base": "succeeded", "more": "queued"}
    queue()  # and so is that of `more`
    reaper.run_round()
    assert work(queue) == ["more"]
    assert set(states(experiment).values()) == {"succeeded"}


def test_a_worker_that_dies_right_after_a_success_leaves_the_next_run_to_the_reaper(suite, queue):
    experiment = suite(planned("base"), planned("more", "@base/checkpoint"))
    tasks.execute_run(*queue())
    queue()
    Run.objects.filter(name="more").update(status=Status.WAITING, config={}, dispatched_at=None)
    reaper.run_round()
    assert states(experiment)["more"] == "queued"
    assert work(queue) == ["more"]


def test_runs_that_wait_in_vain_cost_the_reaper_nothing(suite, queue, django_assert_max_num_queries):
    for _ in range(3):
        experiment = suite(planned("base", "bad input"), planned("more", "@base/checkpoint"))
    work(queue)
    assert states(experiment) == {"base": "failed", "more": "waiting"}
    with django_assert_max_num_queries(1):
        reaper.advance_waiting()
