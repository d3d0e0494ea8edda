"""The demo's runs as a suite: there from the start, watched to the end, ended by the first failure."""

from __future__ import annotations

import io

import pytest

from rpt_core.errors import UserError
from rpt_core.plans.preset import PlannedRun, Preset, Requirements, load_preset
from rpt_core.run.folder import RunDir
from rpt_web.runs import services
from rpt_web.runs.models import Experiment, Run, Status
from rpt_web.supervisor.demo import course
from rpt_web.supervisor.demo.progress import DemoProgress
from tests.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)


def planned(name, model="m"):
    return PlannedRun(name=name, stage="rpt", title=name, config={"model": {"path": model}, "positions": "p"})


PRESET = Preset(name="p", description="d", runs=[planned("rpt"), planned("more", "@rpt/checkpoint")], seeds=[4, 7])


@pytest.fixture
def follow():
    """follow(copies, ends) plays a demo whose worker ends the queued runs so, and returns its runs and what it said."""

    def follow(copies, ends=lambda name: Status.SUCCEEDED):
        user, out = make_user("demo"), io.StringIO()
        experiment = course.new_experiment(copies, user)

        def work(seconds):
            for run in experiment.runs.filter(status=Status.QUEUED):
                claimed = services.claim(run.pk, "w")
                RunDir(run.directory).checkpoint(1).mkdir(parents=True, exist_ok=True)
                services.finish(claimed, claimed.attempt, ends(run.name), error="on fire")

        progress = DemoProgress(out, len(copies.plan.runs))
        return course.DemoRuns(copies.plan, experiment, user, progress).follow(work), out, experiment

    return follow


def test_a_preset_with_seeds_is_played_with_each_of_them(follow):
    copies = course.Copies(PRESET, None)
    runs, out, experiment = follow(copies)
    assert experiment.name == "Demo: p, seeds 4, 7"
    assert set(runs) == {"s4-rpt", "s4-more", "s7-rpt", "s7-more"}
    assert {run.status for run in runs.values()} == {Status.SUCCEEDED}
    assert [(seed, {name: run.name for name, run in its.items()}) for seed, its in copies.each(runs)] == [
        (4, {"rpt": "s4-rpt", "more": "s4-more"}),
        (7, {"rpt": "s7-rpt", "more": "s7-more"}),
    ]
    assert "[4/4] s7-more: succeeded" in out.getvalue()


def test_one_seed_that_is_asked_for_keeps_the_names_of_the_preset(follow):
    copies = course.Copies(PRESET, 9)
    runs, _, experiment = follow(copies)
    assert (set(runs), experiment.seed, experiment.name) == ({"rpt", "more"}, 9, "Demo: p, seed 9")
    assert copies.each(runs) == [(9, runs)]
    assert copies.is_single
    assert course.Copies(load_preset("smoke"), None).seeds == (0,)


def test_runs_that_somebody_submits_to_the_demos_experiment_are_not_its_own(follow):
    def ends(name):
        if name == "rpt":
            experiment = Experiment.objects.get()
            mine = services.submit_planned(experiment, planned("mine"), make_user("visitor"))
            services.request_cancel(mine, mine.created_by)
        return Status.SUCCEEDED

    runs, out, experiment = follow(course.Copies(PRESET, 1), ends)
    assert (set(runs), experiment.runs.get(name="mine").status) == ({"rpt", "more"}, Status.CANCELLED)
    assert "mine" not in out.getvalue()


def test_all_runs_are_there_before_the_first_has_started(follow):
    user = make_user("demo")
    copies = course.Copies(PRESET, 1)
    experiment = course.new_experiment(copies, user)
    seen = []

    def look(seconds):
        seen.append({run.name: str(run.status) for run in experiment.runs.all()})
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        course.DemoRuns(copies.plan, experiment, user, DemoProgress(io.StringIO(), 2)).follow(look)
    assert seen == [{"rpt": "queued", "more": "waiting"}]


def test_the_first_failure_ends_the_demo_and_is_explained(follow):
    with pytest.raises(course.RunFailed) as failure:
        follow(course.Copies(PRESET, 1), lambda name: Status.FAILED if name == "rpt" else Status.SUCCEEDED)
    lines = course.explain(failure.value.run)
    assert lines[0] == "The run 'rpt' (stage rpt) has failed: on fire"
    assert Run.objects.get(name="more").status == Status.WAITING


def test_the_next_demo_cancels_what_is_left(follow):
    with pytest.raises(course.RunFailed):
        follow(course.Copies(PRESET, None), lambda name: Status.FAILED if name == "s4-rpt" else Status.SUCCEEDED)
    user = course.demo_user()
    assert course.cancel_leftovers(user) == len(Run.objects.filter(status=Status.CANCELLED)) >= 1
    assert course.cancel_leftovers(user) == 0


def test_a_preset_that_cannot_be_a_demo_is_refused(monkeypatch):
    with pytest.raises(UserError, match="There is no preset 'none'"):
        course.checked_preset("none")
    tiny = load_preset("tiny")
    first = tiny.runs[0].model_copy(update={"config": {"corpus": {"paths": ["/no/such/file"]}}})
    update = {"requires": Requirements(paths=("/no/such/file",)), "runs": [first, *tiny.runs[1:]]}
    needy = tiny.model_copy(update=update)
    monkeypatch.setattr(course, "load_preset", lambda name: needy)
    with pytest.raises(UserError, match="It needs /no/such/file, which does not exist"):
        course.checked_preset("tiny")
    without = tiny.model_copy(update={"runs": tiny.runs[:1]})
    monkeypatch.setattr(course, "load_preset", lambda name: without)
    with pytest.raises(UserError, match="has no run named rpt"):
        course.checked_preset("tiny")
