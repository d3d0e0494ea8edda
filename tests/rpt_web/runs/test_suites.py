"""Graphs of runs: who may start when, what a failure stops, what comes back; two callers never both win."""

from __future__ import annotations

import pytest

from rpt_core.errors import UserError
from rpt_core.plans.preset import PlannedRun, Requirements, load_preset, preset_names
from rpt_core.run.folder import RunDir
from rpt_web.runs import overdue, planning, services, waking
from rpt_web.runs.models import Run, Status, blocked_by, is_in_progress
from tests.suite_graphs import BASE, BOTH, DIAMOND, LEFT, RIGHT, at_once, claim, end, plan, planned, play, states

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def experiment():
    """Of nobody, with a seed that its runs take."""
    return services.create_experiment("Suite", None, seed=11)


def test_all_runs_are_there_from_the_start_and_those_without_needs_are_queued(diamond):
    assert states(diamond) == {
        "base": "queued",
        "left": "waiting",
        "right": "waiting",
        "both": "waiting",
        "end": "waiting",
        "alone": "queued",
    }
    both = diamond.runs.get(name="both")
    assert (both.config, both.needs, both.plan, both.seed) == ({}, ["left", "right"], BOTH.config, 11)
    assert (both.title, both.stage, both.code_version) == ("Run both", "rpt", services.code_version())
    assert diamond.runs.get(name="base").config["seed"] == 11


def test_a_waiting_run_is_no_workers_business(diamond):
    left = diamond.runs.get(name="left")
    assert services.claim(left.pk, "w") is None
    assert not left.is_active
    assert left.pk not in overdue.take_overdue(0, left.queue)


def test_a_run_is_queued_with_its_config_frozen_as_soon_as_its_needs_have_succeeded(diamond):
    play(diamond, "base")
    base, left, right = (diamond.runs.get(name=name) for name in ("base", "left", "right"))
    assert (left.status, right.status) == (Status.QUEUED, Status.QUEUED)
    assert left.config["model"]["path"] == str(base.directory / "checkpoints/step-000007")
    assert right.config["model"]["path"] == str(base.directory / "checkpoints/step-000005")
    assert (left.config["grpo"]["clip_low"], left.seed, left.attempt) == (0.2, 11, 0)
    assert left.plan == LEFT.config


def test_the_tip_of_a_diamond_waits_for_both_sides(diamond):
    play(diamond, "base", "left")
    assert states(diamond)["both"] == "waiting"
    play(diamond, "right")
    assert states(diamond)["both"] == "queued"
    both = diamond.runs.get(name="both")
    assert both.config["positions"] == str(diamond.runs.get(name="right").directory)
    play(diamond, "both", "end", "alone")
    assert set(states(diamond).values()) == {"succeeded"}
    assert not is_in_progress(diamond.runs.all())


def test_both_sides_of_a_diamond_may_end_at_the_same_time(experiment):
    for number in range(8):
        names = [f"left{number}", f"right{number}", f"tip{number}"]
        tip = planned(names[2], f"@{names[0]}/checkpoint", f"@{names[1]}/folder")
        services.submit_suite(experiment, plan(planned(names[0]), planned(names[1]), tip), None)
        left, right = claim(experiment, names[0]), claim(experiment, names[1])
        at_once(lambda left=left: end(left), lambda right=right: end(right))
        assert states(experiment)[names[2]] == "queued"


def test_of_eight_that_advance_at_the_same_time_one_wins(experiment, monkeypatch):
    services.submit_suite(experiment, plan(BASE, LEFT, RIGHT), None)
    base = claim(experiment, "base")
    end(base, Status.FAILED)  # so that nobody has advanced yet when it turns out to have succeeded
    Run.objects.filter(pk=base.pk).update(status=Status.SUCCEEDED)
    sent, won = [], []
    monkeypatch.setattr(waking, "dispatch", sent.append)
    at_once(*[lambda: won.extend(services.advance(experiment.pk)) for _ in range(8)])
    assert sorted(run.name for run in won) == ["left", "right"]
    assert sorted(sent) == sorted(run.pk for run in won)


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED, Status.LOST])
def test_a_bad_end_stops_only_what_depends_on_it(diamond, status):
    play(diamond, "base")
    play(diamond, "left", status=status)
    play(diamond, "right", "alone")
    assert states(diamond) == {
        "base": "succeeded",
        "left": str(status),
        "right": "succeeded",
        "both": "waiting",
        "end": "waiting",
        "alone": "succeeded",
    }
    assert blocked_by(diamond.runs.all()) == {"both": ["left"], "end": ["left"]}
    assert diamond.runs.get(name="end").blocked_by() == ["left"]
    assert diamond.runs.get(name="right").blocked_by() == []
    assert not is_in_progress(diamond.runs.all())


def test_an_experiment_is_in_progress_while_something_can_still_start(diamond):
    assert is_in_progress(diamond.runs.all())
    play(diamond, "base", "alone")
    claim(diamond, "left")
    assert is_in_progress(diamond.runs.all())
    Run.objects.filter(name__in=["left", "right"]).update(status=Status.SUCCEEDED)
    assert is_in_progress(diamond.runs.all()), "`both` waits for nothing any more and will start"


def test_a_run_waits_for_a_failed_one_and_for_one_that_still_runs(diamond):
    play(diamond, "base")
    play(diamond, "left", status=Status.FAILED)
    assert blocked_by(diamond.runs.all()) == {"both": ["left"], "end": ["left"]}
    play(diamond, "right", status=Status.FAILED)
    assert blocked_by(diamond.runs.all()) == {"both": ["left", "right"], "end": ["left", "right"]}


def test_resubmitting_runs_only_what_is_missing(diamond):
    play(diamond, "base", "alone")
    play(diamond, "left", status=Status.FAILED)
    services.request_cancel(diamond.runs.get(name="end"), None)
    before = {run.name: (run.attempt, run.finished_at) for run in diamond.runs.filter(status=Status.SUCCEEDED)}
    back = services.resubmit(diamond, None)
    assert [run.name for run in back] == ["left", "end"]
    assert states(diamond) == {
        "base": "succeeded",
        "left": "queued",
        "right": "queued",
        "both": "waiting",
        "end": "waiting",
        "alone": "succeeded",
    }
    left, end_ = diamond.runs.get(name="left"), diamond.runs.get(name="end")
    assert (left.error, left.max_attempts, end_.finished_at, end_.cancel_requested_at) == ("", 4, None, None)
    play(diamond, "left", "right", "both", "end")
    assert set(states(diamond).values()) == {"succeeded"}
    assert {run.name: (run.attempt, run.finished_at) for run in diamond.runs.filter(name__in=before)} == before


def test_resubmitting_where_nothing_is_missing_is_refused(diamond):
    with pytest.raises(UserError, match="Nothing is missing"):
        services.resubmit(diamond, None)


def test_a_config_that_does_not_fit_when_it_is_resolved_fails_the_run_with_the_reason(experiment):
    lost = planned("lost", "@base/checkpoint@6")
    services.submit_suite(experiment, plan(BASE, lost, planned("after", "@lost/checkpoint"), LEFT), None)
    play(experiment, "base")
    assert states(experiment) == {"base": "succeeded", "lost": "failed", "after": "waiting", "left": "queued"}
    run = experiment.runs.get(name="lost")
    assert "Run 'base': The run in" in run.error
    assert "has no checkpoint@6" in run.error
    assert (run.config, run.finished_at is None) == ({}, False)
    RunDir(experiment.runs.get(name="base").directory).checkpoint(6).mkdir()
    services.resubmit(experiment, None)
    assert states(experiment)["lost"] == "queued"


def test_a_config_that_pydantic_refuses_when_it_is_resolved_names_the_field(experiment):
    config = {"corpus": {"source": "tiny"}, "model": {"path": "m"}, "budget": {"flops": "@base/flops"}}
    more = PlannedRun(name="more", stage="ntp", title="t", config=config)
    services.submit_suite(experiment, plan(BASE, more), None)
    Run.objects.filter(name="more").update(plan={**config, "budget": {"flops": "@base/folder"}})
    play(experiment, "base")
    assert "budget.flops: Give a number." in experiment.runs.get(name="more").error


def test_a_folder_of_an_earlier_run_that_cannot_be_read_fails_the_run_and_is_logged(experiment, caplog):
    config = {"corpus": {"source": "tiny"}, "model": {"path": "m"}, "budget": {"flops": "@base/flops"}}
    services.submit_suite(experiment, plan(BASE, PlannedRun(name="x", stage="ntp", title="t", config=config)), None)
    base = claim(experiment, "base")
    base.directory.mkdir(parents=True, exist_ok=True)
    RunDir(base.directory).events.mkdir()  # what no stage leaves behind
    end(base)
    assert experiment.runs.get(name="x").error == services.NOT_QUEUED
    assert "IsADirectoryError" in caplog.text
    assert states(experiment)["base"] == "succeeded"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            planned("end", "@base/checkpoint", steps=0),
            "The run 'end' of the plan cannot run. steps: Give a number above 0",
        ),
        (planned("end", "@base/checkpoint", typo=1), "typo: There is no such field"),
        (planned("end", "@base/checkpoint", "a\x00b"), "characters that cannot be seen"),
        (planned("end", steps=0), "The run 'end' of the plan cannot run"),
    ],
)
def test_a_suite_with_one_wrong_run_is_refused_whole(experiment, wrong, message):
    with pytest.raises(UserError, match=message):
        services.submit_suite(experiment, plan(BASE, LEFT, wrong), None)
    assert not experiment.runs.exists()


def test_a_suite_whose_names_are_taken_is_refused_whole(diamond):
    with pytest.raises(UserError, match="already has a run named 'left'"):
        services.submit_suite(diamond, plan(planned("new"), planned("left")), None)
    assert diamond.runs.count() == 6


def test_a_preset_that_cannot_run_here_is_refused_unless_it_is_to_start_anyway(experiment, tmp_path):
    absent = str(tmp_path / "absent")
    preset = plan(planned("base", positions=absent), requires=Requirements(paths=(absent,)))
    with pytest.raises(UserError, match=f"'graph' cannot run here. It needs {absent}, which does not exist"):
        services.submit_suite(experiment, preset, None)
    assert not experiment.runs.exists()
    assert services.submit_suite(experiment, preset, None, anyway=True)


@pytest.mark.parametrize(
    ("own", "asked", "expected"),
    [
        (None, None, [("base", 11), ("left", 11)]),
        ((4, 5), None, [("s4-base", 4), ("s4-left", 4), ("s5-base", 5), ("s5-left", 5)]),
        ((4, 5), [0], [("s0-base", 0), ("s0-left", 0)]),
    ],
)
def test_a_suite_is_played_once_with_each_seed(experiment, own, asked, expected):
    runs = services.submit_suite(experiment, plan(BASE, LEFT, seeds=own), None, asked)
    assert [(run.name, run.seed) for run in runs] == expected
    last = expected[-2][0]
    play(experiment, last)
    left = experiment.runs.get(name=expected[-1][0])
    assert (left.status, left.config["seed"]) == (Status.QUEUED, expected[-1][1])
    assert left.config["model"]["path"].startswith(str(experiment.runs.get(name=last).directory))


@pytest.mark.parametrize("own", [None, 4])
@pytest.mark.parametrize("given", [{}, {"seed": 5}, {"seed": "@seed"}])
def test_a_waiting_run_shows_the_seed_that_it_will_run_with(experiment, given, own):
    corpus = {"source": "tiny", "tiny_seed": "@seed"}
    config = {"corpus": corpus, "model": {"path": "@base/checkpoint"}, "budget": {"steps": 2}, **given}
    second = PlannedRun(name="two", stage="ntp", title="t", config=config, seed=own)
    asked = 11 if own is None else own
    expected = asked if given.get("seed") == "@seed" else given.get("seed", 0)
    _, waiting = services.submit_suite(experiment, plan(BASE, second), None)
    assert (waiting.status, waiting.seed, waiting.needs) == (Status.WAITING, expected, ["base"])
    play(experiment, "base")
    run = experiment.runs.get(name="two")
    assert (run.status, run.seed, run.config["seed"]) == (Status.QUEUED, expected, expected)
    assert run.config["corpus"]["tiny_seed"] == asked, "`@seed` stands for the plan's, whatever the run's own is"
    assert run.config["model"]["path"].startswith(str(experiment.runs.get(name="base").directory))


def test_more_seeds_can_be_added_later(experiment):
    services.submit_suite(experiment, plan(BASE, LEFT), None, [0])
    services.submit_suite(experiment, plan(BASE, LEFT), None, [1])
    with pytest.raises(UserError, match="already has a run named 's1-base'"):
        services.submit_suite(experiment, plan(BASE, LEFT), None, [1, 2])
    assert experiment.runs.count() == 4


def test_an_experiment_that_waits_for_nothing_any_more_is_found_and_others_are_not(diamond):
    other = services.create_experiment("Other", None)
    services.submit_suite(other, DIAMOND, None)
    assert planning.experiments_to_advance() == []
    Run.objects.filter(experiment=other, name="base").update(status=Status.SUCCEEDED)
    assert planning.experiments_to_advance() == [other.pk], "a success in one experiment says nothing of another"


def test_a_run_whose_need_was_deleted_fails_rather_than_waits_for_ever(diamond):
    diamond.runs.get(name="base").delete()
    services.advance(diamond.pk)
    left = diamond.runs.get(name="left")
    assert (left.status, "needs the run 'base' of this experiment" in left.error) == (Status.FAILED, True)


def test_advancing_is_a_fixed_number_of_queries(experiment, django_assert_max_num_queries):
    services.submit_suite(experiment, load_preset("smoke"), None, range(5))
    with django_assert_max_num_queries(2):
        assert services.advance(experiment.pk) == []


@pytest.mark.parametrize("name", preset_names())
def test_every_shipped_preset_is_taken_as_a_suite(experiment, name):
    preset = load_preset(name)
    runs = services.submit_suite(experiment, preset, None, anyway=True)
    assert len(runs) == len(preset.runs) * len(preset.seeds or (0,))
    assert is_in_progress(experiment.runs.all())
    assert not blocked_by(experiment.runs.all())
