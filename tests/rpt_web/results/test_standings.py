"""Which models the leaderboard lists, what they gained, and what they cost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from rpt_core.run.folder import RunDir
from rpt_web.results.models import Evaluation, Standing
from rpt_web.runs import parents
from rpt_web.runs.models import Run
from tests.factories import make_experiment
from tests.rpt_core.evaluation.outcome_files import row, write_outcomes
from workers import intervals

pytestmark = pytest.mark.django_db

PROMPT = {"prompt": {"template": "plain"}, "sampling": {"temperature": 0.8, "max_response_tokens": 56}}


@pytest.fixture
def experiment(ada):
    return make_experiment(ada)


def made(experiment, name, stage, start=None, status="succeeded", copy_seed=None, **more):
    config = {**PROMPT, **({"model": {"path": start}} if start else {}), **more.pop("config", {})}
    run = Run.objects.create(
        experiment=experiment, name=name, stage=stage, status=status, config=config, copy_seed=copy_seed,
        seed=copy_seed or 0, step=80, **more,
    )  # fmt: skip
    parents.record([run])
    return run


def measured(run, step, value, mode="sampled", position_set="a", difficulty="hard", **more):
    cell = {"low": value - 0.1, "high": value + 0.1, "n": 200, "attempt": 1, "flops": 1e10 * step, "no_box": 0.0}
    return Evaluation.objects.create(
        run=run, step=step, mode=mode, difficulty=difficulty, value=value, position_set=position_set, **{**cell, **more}
    )


def checkpoint(run, step):
    return str(RunDir(run.directory).checkpoint(step))


def refreshed(experiment):
    assert intervals.refresh(experiment.pk)
    return {(found.name, found.mode, found.group): found for found in experiment.standings.all()}


def test_of_a_training_run_the_start_and_the_newest_step_are_listed(experiment):
    cold = made(experiment, "cold", "sft")
    rpt = made(experiment, "rpt", "rpt", checkpoint(cold, 80), time_spent=timedelta(hours=2), gpus=4, attempt=1)
    attempt = {"number": 1, "code_version": "x", "worker": "a:1", "started_at": rpt.created_at}
    rpt.attempts.create(gpus=[0, 1, 2, 3], **attempt)
    for step, value in ((0, 0.2), (40, 0.5), (80, 0.9)):
        measured(rpt, step, value)
    rows = refreshed(experiment)
    assert {(name, found.hard) for (name, _, _), found in rows.items()} == {("cold", 0.2), ("rpt", 0.9)}
    trained = rows["rpt", "sampled", "a"]
    assert (trained.runs, trained.flops, trained.hours, trained.gpu_hours) == ([rpt.pk], 8e11, 2.0, 8.0)
    assert trained.gains["hard"]["value"] == pytest.approx(0.7)
    assert trained.gains["hard"]["how"] == "unpaired (Newcombe)"
    assert rows["cold", "sampled", "a"].gains == {}


def test_time_on_a_node_that_reports_no_gpu_is_no_gpu_time_whatever_a_run_asked_for(experiment, page):
    rpt = made(experiment, "rpt", "rpt", time_spent=timedelta(hours=2), gpus=1, attempt=1)
    rpt.attempts.create(number=1, code_version="x", worker="a:1", gpus=None, started_at=rpt.created_at)
    measured(rpt, 80, 0.9)
    (row,) = refreshed(experiment).values()
    assert (row.hours, row.gpu_hours) == (2.0, None)
    assert "2.00 h, no GPU reported" in flat_text(page(reverse("results:leaderboard")))
    Run.objects.filter(pk=rpt.pk).update(gpus=0)
    intervals.note_results(rpt)
    assert [row.gpu_hours for row in refreshed(experiment).values()] == [0.0]
    assert "2.00 h on CPU" in flat_text(page(reverse("results:leaderboard")))


def flat_text(html):
    return " ".join(html.split())


def test_a_gain_is_paired_where_the_outcomes_are_on_disk(experiment):
    rpt = made(experiment, "rpt", "rpt", checkpoint(made(experiment, "cold", "sft"), 80))
    for step, right in ((0, [1, 0, 0, 0]), (80, [1, 1, 1, 0])):
        path = RunDir(rpt.directory).evaluation(step)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_outcomes(path, [row("d", n, sampled=float(is_right)) for n, is_right in enumerate(right)])
        measured(rpt, step, sum(right) / 4, n=4, position_set="")
    (trained,) = (found for (name, _, _), found in refreshed(experiment).items() if name == "rpt")
    gain = trained.gains["hard"]
    assert (gain["value"], gain["n"], gain["how"]) == (0.5, 4, "paired by position")
    assert trained.group  # found from the outcomes


def test_there_is_no_gain_over_other_positions_or_another_template(experiment):
    cold = made(experiment, "cold", "sft")
    rpt = made(experiment, "rpt", "rpt", checkpoint(cold, 80))
    measured(rpt, 80, 0.9)
    start = made(experiment, "cold-eval", "evaluate", checkpoint(cold, 80))
    measured(start, 80, 0.1, position_set="b")
    worded = made(experiment, "cold-v0", "evaluate", checkpoint(cold, 80), config={"prompt": {"template": "v0"}})
    measured(worded, 80, 0.1)
    rows = refreshed(experiment)
    assert rows["rpt", "sampled", "a"].gains == {}
    assert {found.group for found in rows.values()} == {"a", "b"}
    assert rows["cold", "sampled", "a"].template == "v0"


def test_an_evaluation_of_a_checkpoint_counts_where_its_run_measured_nothing(experiment):
    ntp = made(experiment, "more-ntp", "ntp", flops=8e11)
    evaluation = made(experiment, "ntp-eval", "evaluate", checkpoint(ntp, 80))
    measured(evaluation, 80, 0.3, flops=8e11)
    found = refreshed(experiment)["more-ntp", "sampled", "a"]
    assert (found.stage, found.flops, found.members[0]["measured_by"]) == ("ntp", 8e11, evaluation.pk)


def test_a_run_under_way_is_not_finished(experiment):
    measured(made(experiment, "rpt", "rpt", status="running"), 20, 0.5)
    assert not refreshed(experiment)["rpt", "sampled", "a"].is_finished


def test_copies_for_several_seeds_are_one_row_with_an_interval_over_seeds(experiment):
    for seed, value in enumerate((0.8, 0.9, 1.0)):
        cold = made(experiment, f"s{seed}-cold", "sft", copy_seed=seed)
        rpt = made(experiment, f"s{seed}-rpt", "rpt", checkpoint(cold, 80), copy_seed=seed)
        measured(rpt, 0, value - 0.5, position_set=f"set {seed}")
        measured(rpt, 80, value, position_set=f"set {seed}")
    rows = {name: found for (name, _, _), found in refreshed(experiment).items()}
    found = rows["rpt"]
    assert set(rows) == {"rpt", "cold"}
    assert rows["cold"].group == found.group
    assert (found.seeds, found.sets) == ([0, 1, 2], ["set 0", "set 1", "set 2"])
    cell = found.cells["hard"]
    half = 4.302652729911275 * 0.1 / 3**0.5  # Student's t with two degrees of freedom
    assert (cell["value"], cell["low"], cell["high"]) == (
        pytest.approx(0.9), pytest.approx(0.9 - half), pytest.approx(1.0)
    )  # fmt: skip
    assert found.gains["hard"]["value"] == pytest.approx(0.5)


def test_rows_whose_seeds_are_others_are_of_another_group(experiment):
    for seed in (0, 1):
        measured(made(experiment, f"s{seed}-rpt", "rpt", copy_seed=seed), 80, 0.9, position_set=f"set {seed}")
    measured(made(experiment, "s0-sft", "sft", copy_seed=0), 80, 0.4, position_set="set 0")
    groups = {name: group for (name, _, group) in refreshed(experiment)}
    assert groups["sft"] == "set 0" != groups["rpt"]


def test_a_row_keeps_its_id_and_goes_with_its_evaluations(experiment):
    rpt = made(experiment, "rpt", "rpt")
    measured(rpt, 40, 0.5)
    before = refreshed(experiment)["rpt", "sampled", "a"].pk
    measured(rpt, 40, 0.6, mode="greedy")
    assert refreshed(experiment)["rpt", "sampled", "a"].pk == before
    rpt.evaluations.all().delete()
    assert refreshed(experiment) == {}
    assert not Standing.objects.filter(pk=before).exists()
