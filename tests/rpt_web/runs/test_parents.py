"""What runs came from is stored when they are made, whoever submits them, and does not change with their names."""

from __future__ import annotations

import importlib
import json

import pytest
from django.apps import apps

from rpt_core.config import STAGES
from rpt_core.plans.preset import PlannedRun
from rpt_web.results.lineage import matched_run, start
from rpt_web.runs import services
from rpt_web.runs.models import ParentRole, Run, RunParent
from tests.factories import make_experiment
from tests.rpt_web.api_client import CONFIG
from tests.suite_graphs import at_once, plan, planned, play

EXPERT = {"stage": "expert_iteration", "model": {"path": "m"}, "positions": "p"}
ROUNDS = EXPERT | {"batch_problems": 64, "group_size": 8, "budget": {"steps": 20}}
STEPS = CONFIG | {"steps": 80, "batch_problems": 16, "group_size": 8}


def parents(run):
    """(role, name of the parent or its path, step) of each parent."""
    rows = run.parents.select_related("parent").order_by("role", "parent__name", "path")
    return [(row.role, row.parent.name if row.parent else row.path, row.step) for row in rows]


def submitted(experiment, name, values):
    """A run that somebody submits by itself, as by the API."""
    return services.submit(experiment, name, STAGES[values["stage"]].model_validate(values), None)


def played(experiment, *names):
    """End these runs, one after the other; what has waited for them starts."""
    for name in names:
        play(experiment, name)
        services.advance(experiment.pk)


@pytest.fixture
def diamond_played(diamond):
    played(diamond, "base", "left", "right", "both")
    return diamond


def test_a_suite_s_runs_get_their_parents_as_they_start(diamond_played):
    runs = {run.name: run for run in diamond_played.runs.all()}
    assert parents(runs["base"]) == [("start", "m", None)]
    assert parents(runs["left"]) == [("start", "base", 7)]
    assert parents(runs["right"]) == [("start", "base", 5)]
    assert parents(runs["both"]) == [("reads", "right", None), ("start", "left", 7)]
    assert parents(runs["end"]) == [("start", "both", 7)]


def test_a_run_that_waits_has_none_yet(diamond):
    assert parents(diamond.runs.get(name="end")) == []


def test_a_run_submitted_by_itself_has_the_runs_whose_folders_it_names(diamond_played, tmp_path):
    left, right = (diamond_played.runs.get(name=name) for name in ("left", "right"))
    elsewhere = make_experiment(None, "Another")
    values = {
        "model": {"path": f"{left.directory}/checkpoints/step-000005/"},
        "positions": f"{right.directory}/positions",
    }
    run = submitted(elsewhere, "by-hand", CONFIG | values)
    assert parents(run) == [("reads", "right", None), ("start", "left", 5)]
    assert start(run) == (left.pk, 5)
    (link := tmp_path / "model").symlink_to(left.directory / "checkpoints" / "step-000007")
    assert parents(submitted(elsewhere, "linked", CONFIG | {"model": {"path": str(link)}})) == [("start", "left", 7)]


def test_what_lies_in_no_run_s_folder_is_no_run(experiment):
    gone = "/srv/rpt/data/runs/1/checkpoints/step-000005"
    for name, path in (("hub", "owner/model"), ("gone", gone)):
        run = Run.objects.create(experiment=experiment, name=name, stage="rpt", config={"model": {"path": path}})
        services.parents.record([run])
        assert parents(run) == [("start", path, None)]
        assert start(run) == path


def test_a_start_whose_run_is_gone_is_known_by_its_path(diamond_played):
    left = diamond_played.runs.get(name="left")
    path = f"{left.directory}/checkpoints/step-000005"
    run = submitted(make_experiment(None, "Another"), "by-hand", CONFIG | {"model": {"path": path}})
    diamond_played.delete()
    assert (parents(run), start(run)) == ([("start", path, 5)], path)


@pytest.mark.parametrize("is_later", [True, False])
def test_expert_iteration_finds_its_rpt_whichever_is_submitted_first(experiment, is_later):
    both = [("rpt", STEPS), ("expert", ROUNDS)]
    made = {name: submitted(experiment, name, values) for name, values in (both if is_later else both[::-1])}
    assert parents(made["expert"]) == [("responses", "rpt", None), ("start", "m", None)]
    assert matched_run(made["expert"], {run.pk: run for run in made.values()}) == made["rpt"]


def test_the_run_whose_compute_a_plan_takes_is_known_whatever_else_it_needs(experiment):
    base, rpt = planned("base"), planned("rpt", "@base/checkpoint")
    model, corpus = {"path": "@base/checkpoint"}, {"source": "tiny", "tiny_part": "problems"}
    config = {"seed": "@seed", "model": model, "corpus": corpus, "budget": {"flops": "@rpt/flops"}}
    control = PlannedRun(name="control", stage="ntp", title="Control", config=config)
    services.submit_suite(experiment, plan(base, rpt, control), None)
    played(experiment, "base")
    rpt = experiment.runs.get(name="rpt")
    rpt.directory.mkdir(parents=True)
    line = '{"seq": 1, "attempt": 1, "time": 1.0, "type": "metrics", "step": 1, "values": {}, "flops": 5e11}\n'
    (rpt.directory / "events.jsonl").write_text(line)
    played(experiment, "rpt")
    control = experiment.runs.get(name="control")
    assert control.config["budget"]["flops"] == 5e11
    assert parents(control) == [("compute", "rpt", None), ("start", "base", 7)]


def test_the_run_whose_folder_is_the_budget_is_the_one_of_that_compute(experiment, diamond_played):
    left = diamond_played.runs.get(name="left")
    values = {"stage": "ntp", "model": {"path": "m"}, "corpus": {"source": "tiny", "tiny_part": "problems"}}
    run = submitted(experiment, "control", values | {"budget": {"flops_of": str(left.directory)}})
    assert parents(run) == [("compute", "left", None), ("start", "m", None)]


def test_names_say_nothing_after_a_run_is_made(experiment):
    run = submitted(experiment, "s3-rpt", CONFIG)
    assert (run.copy_seed, run.plain_name) == (3, "rpt")
    Run.objects.filter(pk=run.pk).update(copy_seed=None)
    run.refresh_from_db()
    assert run.plain_name == "s3-rpt"


@pytest.mark.django_db(transaction=True)
def test_of_two_that_are_submitted_at_the_same_time_one_sees_the_other():
    experiment = make_experiment(None)
    at_once(
        lambda: submitted(experiment, "rpt", STEPS),
        lambda: submitted(experiment, "expert", ROUNDS),
    )
    assert RunParent.objects.get(role=ParentRole.RESPONSES).parent.name == "rpt"


@pytest.mark.django_db
def test_the_migration_finds_what_is_stored_today(diamond_played):
    """The rows that it would fill for stored runs are those that runs get as they are made, wherever the folder was."""
    fill = importlib.import_module("rpt_web.runs.migrations.0008_parents").fill
    submitted(diamond_played, "s0-rpt", STEPS)
    submitted(diamond_played, "s0-expert", ROUNDS)
    config = diamond_played.runs.get(name="left").config | {"budget": {"flops": 1e12}}
    more = {"stage": "ntp", "config": config, "plan": {"budget": {"flops": "@left/flops"}}}
    services.parents.record([Run.objects.create(experiment=diamond_played, name="control", **more)])
    made = {run.name: (run.copy_seed, parents(run)) for run in Run.objects.all()}
    assert ("compute", "left", None) in made["control"][1]
    for run in Run.objects.exclude(config={}):
        moved = json.loads(json.dumps(run.config).replace(str(run.directory.parent), "/srv/rpt/data/runs"))
        Run.objects.filter(pk=run.pk).update(config=moved)
    RunParent.objects.all().delete()
    Run.objects.update(copy_seed=None)
    fill(apps, None)
    found = {run.name: (run.copy_seed, parents(run)) for run in Run.objects.all()}
    assert found == made
