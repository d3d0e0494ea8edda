"""The headline of an experiment: which run it is of, its intervals, and the baselines beside it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from rpt_core.config import STAGES
from rpt_core.plans.preset import load_preset
from rpt_core.run.folder import RunDir
from rpt_core.statistics.intervals import difference_interval
from rpt_core.statistics.paired import mean_difference
from rpt_core.statistics.seeds import DIFFERENCES, SHARES, across_seeds
from rpt_web.results.headline import TRAINING
from rpt_web.results.headlines import headlines
from rpt_web.results.lineage import compute_words, matched_run, seeds_in_words, source_run
from rpt_web.runs import services
from rpt_web.runs.models import Run, Status
from rpt_web.runs.parents import responses_asked
from rpt_web.runs.queries import runs_in_order
from tests.factories import make_experiment
from tests.preset_runs import play, queued_rpt, running_rpt
from tests.rpt_core.evaluation.outcome_files import row, write_outcomes
from tests.rpt_web.results.headline_pages import (
    ASKED_FOR,
    evaluate,
    hard,
    ranked,
    results,
    trained,
    two_seeds,
    words,
    write,
)
from tests.suite_runs import finish_all_waiting, suite

BASELINES = ["more-ntp", "more-sft", "expert-responses", "expert-flops"]
pytestmark = pytest.mark.slow
FINISHED = {"steps": 80, "groups": 0}
"""How large the experiment is that all tests here share."""


def test_the_first_run_that_succeeded_is_shown_and_named(page, experiment, ada):
    running_rpt(experiment, ada, done=6, groups=1)
    newer = load_preset("tiny").run("rpt").model_copy(update={"name": "rpt-other"})
    newer = services.submit_planned(experiment, newer, ada)
    play(newer, timedelta(minutes=3), 80, 1)
    first = experiment.runs.get(name="rpt")
    headline = headlines([experiment])[experiment.pk]
    assert headline.run == first
    assert headline.before.rows == [hard(first, 0)]
    assert headline.after.rows == [hard(first, 80)]
    text = words(page(results(experiment)))
    assert "Before and after rpt, seed 0." in text
    assert "“rpt”, step 0 " in text
    assert "“rpt”, step 80 " in text
    assert "reasoning, sampled; “rpt”, seed 0 before: " in words(
        page(reverse("experiments:experiment_detail", args=[experiment.pk]))
    )
    queued = queued_rpt(experiment, ada)
    assert f'href="?run={newer.pk}">rpt-other</a>' in page(results(experiment))
    assert f'href="?run={queued.pk}"' not in page(results(experiment))
    assert "Before and after rpt-other, seed 0." in words(page(results(experiment, f"?run={newer.pk}")))
    first.status = Status.FAILED
    first.save()
    assert headlines([experiment])[experiment.pk].run == newer


def test_a_control_that_was_submitted_later_is_not_the_headline(ada):
    experiment = suite(ada)
    names = experiment.runs.exclude(stage="analyse").order_by("id").values_list("name", flat=True)
    finish_all_waiting(experiment, names, groups=0)
    headline = ranked(experiment)[0]
    assert headline.run.name == "s0-rpt"
    assert [baseline.name for baseline in headline.baselines] == [
        "s0-more-ntp",
        "s0-more-sft",
        "s0-expert-responses",
        "s0-expert-flops",
    ]


def found_for(run):
    """What a run is a baseline of, as pages find it."""
    by_id = {other.pk: other for other in runs_in_order(run.experiment)}
    return matched_run(by_id[run.pk], by_id)


RPT_FLOPS = {"budget": {"flops": "@rpt/flops"}}
SIZES = {"positions": "/p", "steps": 80, "batch_problems": 16, "group_size": 8}
ROUNDS = {"positions": "/p", "batch_problems": 64, "group_size": 8}


def test_expert_iteration_is_a_baseline_of_the_rpt_that_sampled_as_many_responses_at_the_same_positions(ada):
    experiment = make_experiment(ada)
    run = trained(experiment, "rpt", "/m/base", "rpt", **SIZES)
    trained(experiment, "rpt-random", "/m/base", "rpt", **SIZES | {"positions": "/random"})

    def matched(name, start="/m/base", **changes):
        found = trained(experiment, name, start, "expert_iteration", **ROUNDS | {"budget": {"steps": 20}} | changes)
        return found_for(found)

    assert matched("alike") == run
    assert matched("spent", budget={"flops": 1e12}, plan=RPT_FLOPS) == run
    assert matched("fewer", budget={"steps": 19}) is None
    assert matched("passes", budget={"epochs": 1}) is None
    assert matched("elsewhere", start="/m/other") is None
    assert matched("on other positions", positions="/q") is None
    assert found_for(trained(experiment, "again", "/m/base", "rpt", **SIZES)) is None


def test_how_many_responses_dynamic_sampling_asks_for_is_not_known():
    assert responses_asked("rpt", SIZES) == 10240
    assert responses_asked("rpt", SIZES | {"dynamic_sampling": {"from_step": None}}) == 10240
    assert responses_asked("rpt", SIZES | {"dynamic_sampling": {"from_step": 5}}) is None
    assert responses_asked("expert_iteration", ROUNDS | {"budget": {"steps": 20}}) == 10240
    assert responses_asked("expert_iteration", ROUNDS | {"budget": {"steps": None, "flops": 1e12}}) is None
    assert responses_asked("ntp", {"budget": {"steps": 20}}) is None


def test_several_seeds_are_shown_as_their_mean_with_the_interval_over_seeds(page, ada):
    experiment = make_experiment(ada)
    services.submit_suite(experiment, load_preset("tiny"), ada, seeds=[10, 2, 3])
    for seed in (10, 2, 3):
        finish_all_waiting(
            experiment,
            [f"s{seed}-{name}" for name in ASKED_FOR],
        )
    values = {2: 0.5, 3: 0.6, 10: 0.85}
    for seed, value in values.items():
        run = experiment.runs.get(name=f"s{seed}-rpt")
        run.evaluations.filter(step=3, mode="sampled", difficulty="hard").update(value=value)
    (headline, *_) = ranked(experiment)
    assert headline.seeds == "seeds 2, 3, 10"
    assert headline.after.estimate == across_seeds(list(values.values()), SHARES)
    before = hard(experiment.runs.get(name="s2-rpt"), 0).value
    assert headline.change.estimate == across_seeds([value - before for value in values.values()], DIFFERENCES)
    (baseline,) = headline.baselines
    best = baseline.lead_over_best.estimate.value
    assert best == pytest.approx(sum(values.values()) / 3 - 0.15)  # its standard accuracy
    of_seeds = hard(experiment.runs.get(name="s2-ntp-eval"))
    assert baseline.lead.estimate.value == pytest.approx(sum(values.values()) / 3 - of_seeds.value)
    text = words(page(results(experiment)))
    assert "Before and after rpt, seeds 2, 3, 10." in text
    assert "n 700 each, mean of 3 seeds “rpt”, step 3" in text
    assert "Student&#x27;s t over 3 seeds" in text
    assert "Lead over baseline “more-ntp”" in text


def test_seeds_that_are_alike_claim_no_certainty(page, ada):
    experiment = two_seeds(ada, 0.25, 0.25)
    (headline, *_) = ranked(experiment)
    assert (headline.after.estimate.low, headline.change.estimate.low) == (None, None)
    shown = words(page(results(experiment)))
    assert "25.0 % no interval: the seeds agree, n 700 each, mean of 2 seeds" in shown
    assert re.search(r"Change in points [+−][0-9.]+ no interval: the seeds agree “rpt”", shown)


def test_the_compute_of_a_baseline_is_that_of_all_seeds_together(ada):
    experiment = two_seeds(ada, 0.25, 0.3)
    (headline, *_) = ranked(experiment)
    (baseline,) = headline.baselines
    assert baseline.compute == "same compute as “rpt”"
    spent = experiment.runs.get(name="s0-rpt").flops
    for name, share in (("s0-more-ntp", 1.0), ("s1-more-ntp", 1.3)):
        experiment.runs.filter(name=name).update(flops=share * spent)
    (headline, *_) = ranked(experiment)
    assert headline.baselines[0].compute == "compute 1.15 times that of “rpt”, by seed 1 to 1.3"


def test_a_difference_ends_at_100_points(page, ada):
    experiment = two_seeds(ada, 0.05, 0.35)
    shown = words(page(results(experiment)))
    assert "−100.0 to +100.0 (95 %), Student&#x27;s t over 2 seeds" in shown


def test_the_change_is_paired_where_the_outcomes_are_on_disk(page, experiment):
    run = experiment.runs.get(name="rpt")
    before, after = [n % 3 == 0 for n in range(90)], [n % 3 == 0 or n < 40 for n in range(90)]
    write(hard(run, 0), before)
    write(hard(run, 80), after)
    change = ranked(experiment)[0].change
    assert change.estimate == mean_difference(before, after, run.seed)
    assert change.how == "paired by position"
    low, high = difference_interval(1 / 3, (1 / 3 - 0.05, 1 / 3 + 0.05), sum(after) / 90, (0, 1))
    assert change.estimate.high - change.estimate.low < high - low
    assert f"{100 * change.estimate.low:+.1f} to {100 * change.estimate.high:+.1f} (95 %), paired by position" in words(
        page(results(experiment))
    )


@pytest.mark.parametrize("fault", ["empty", "gone", "other positions", "other number", "mode left out"])
def test_without_the_same_positions_on_disk_the_change_is_unpaired_and_says_so(page, experiment, fault):
    run = experiment.runs.get(name="rpt")
    first, last = hard(run, 0), hard(run, 80)
    if fault in ("other positions", "other number", "mode left out"):
        write(first, [n % 3 == 0 for n in range(90)])
        write(last, [n % 2 == 0 for n in range(90)])
    path = RunDir(run.directory).evaluation(80)
    if fault == "gone":
        path.unlink()
    if fault == "other positions":
        write_outcomes(path, [row("elsewhere", n, sampled=1.0) for n in range(90)])
    if fault == "other number":
        write_outcomes(path, [row(f"d{n // 4}", n, sampled=1.0) for n in range(80)])
    if fault == "mode left out":
        write_outcomes(path, [row(f"d{n // 4}", n, standard=True) for n in range(90)])
    first.refresh_from_db()
    last.refresh_from_db()
    change = ranked(experiment)[0].change
    expected = difference_interval(first.value, (first.low, first.high), last.value, (last.low, last.high))
    assert (change.estimate.low, change.estimate.high) == expected
    assert "unpaired (Newcombe)" in page(results(experiment))
    assert "unpaired (Newcombe)" in page(reverse("experiments:experiment_detail", args=[experiment.pk]))


def test_baselines_stand_beside_the_change(page, experiment):
    rpt, evaluated = experiment.runs.get(name="rpt"), experiment.runs.get(name="ntp-eval")
    headline = ranked(experiment)[0]
    assert [found.name for found in headline.baselines] == BASELINES
    lead, best = headline.baselines[0].lead.estimate, headline.baselines[0].lead_over_best.estimate
    assert lead.value == hard(rpt).value - hard(evaluated).value
    assert best.value == hard(rpt).value - hard(evaluated, mode="standard").value
    first, second = (
        f"{100 * one.low:+.1f} to {100 * one.high:+.1f} (95 %), unpaired (Newcombe)" for one in (lead, best)
    )
    text = words(page(results(experiment)))
    for shown in (text, words(page(reverse("experiments:experiment_detail", args=[experiment.pk])))):
        assert f"Lead over baseline “more-ntp”, in points {100 * lead.value:+.1f} {first}; both by reasoning" in shown
        assert f"best mode, standard: {100 * best.value:+.1f}, {second}; there the baseline has" in shown
        assert "(95 %), n 700; same compute as “rpt”" in shown
    assert "Baseline: next-token prediction on the same problems for the same compute; same compute as “rpt”" in text


def test_an_experiment_s_page_says_what_its_headline_is(page, experiment):
    rpt = experiment.runs.get(name="rpt")
    shown = words(page(reverse("experiments:experiment_detail", args=[experiment.pk])))
    assert "Accuracy on hard positions, before → after RPT" in shown
    for name, found in (("before", hard(rpt, 0)), ("after", hard(rpt))):
        assert f"{name}: {100 * found.low:.1f} to {100 * found.high:.1f} (95 %), n {found.n}" in shown
    assert "(95 %), unpaired (Newcombe) “rpt”, after minus before" in shown


def test_a_baseline_whose_compute_is_not_the_same_says_so(page, experiment):
    spent = experiment.runs.get(name="rpt").flops
    experiment.runs.filter(name="more-ntp").update(flops=1.25 * spent)
    experiment.runs.filter(name="more-sft").update(flops=0.85 * spent)
    experiment.runs.filter(name="expert-flops").update(flops=1.5 * spent)
    text = words(page(results(experiment)))
    assert "n 700; compute 1.25 times that of “rpt”" in text
    assert "n 700; compute 0.85 times that of “rpt”" in text
    assert "n 700; same number of responses, compute 0.565 times that of “rpt”" in text
    assert "same compute as" not in text


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        (1.019, "same compute as “a”"),
        (0.981, "same compute as “a”"),
        (1.0934, "compute 1.09 times that of “a”"),
        (0.97, "compute 0.97 times that of “a”"),
        (3.04, "compute 3.04 times that of “a”"),
        (0.25, "compute 0.25 times that of “a”"),
        (None, "compute relative to “a” not known"),
    ],
)
def test_computes_are_called_the_same_within_two_hundredths(ratio, expected):
    assert compute_words(ratio, "a") == expected


@pytest.mark.parametrize("stage", TRAINING)
@pytest.mark.parametrize("engine", ["torch", "verl"])
def test_a_baseline_is_matched_to_a_run_of_any_stage_and_engine(ada, stage, engine):
    assert set(TRAINING) <= STAGES.keys()
    experiment = make_experiment(ada)
    run = trained(experiment, "mine", "/m/base", stage, engine=engine, steps=9)
    trained(experiment, "control", "/m/base", stage, flops=1.01e12, steps=9)
    by_plan = trained(experiment, "a", "/m/base", plan={"budget": {"flops": "@mine/flops"}}, budget={"flops": 1e12})
    by_folder = trained(experiment, "b", "/m/other", flops=3e12, budget={"flops_of": str(run.directory)})
    typed = trained(experiment, "c", "/m/base", flops=1e12, budget={"flops": 1.003e12})
    assert [found_for(found) for found in (by_plan, by_folder, typed)] == [run, run, run]
    elsewhere = trained(experiment, "d", "/m/other", budget={"flops": 1e12})
    far = trained(experiment, "e", "/m/base", budget={"flops": 1.2e12})
    free = trained(experiment, "f", "/m/base", budget={"epochs": 1})
    assert [found_for(found) for found in (elsewhere, far, free, run)] == [None] * 4


def test_a_run_of_another_stage_is_measured_by_evaluations_of_its_checkpoints(page, ada):
    experiment = make_experiment(ada)
    run = trained(experiment, "answers", "/m/base", "rlvr")
    more = trained(
        experiment,
        "more",
        "/m/base",
        plan={"budget": {"flops": "@answers/flops"}},
        flops=0.8e12,
        budget={"flops": 1e12},
    )
    checkpoints = [f"{found.directory}/checkpoints/step-000020" for found in (run, more)]
    evaluate(experiment, "before", "/m/base", 0.2)
    evaluate(experiment, "after", checkpoints[0], 0.5)
    evaluate(experiment, "after-more", checkpoints[1], 0.3)
    (headline, other) = ranked(experiment)
    assert (headline.stage, headline.name, other.name) == ("RLVR", "answers", "more")
    assert (headline.before.estimate.value, headline.after.estimate.value) == (0.2, 0.5)
    text = words(page(results(experiment)))
    assert "After RLVR 50.0 % 46.0 to 54.0 (95 %), n 500 “after”, step 0" in text
    assert "Lead over baseline “more”, in points +20.0" in text
    assert "n 500; compute 0.8 times that of “answers”" in text


def test_a_run_under_way_shows_what_there_is(page, ada, experiment):
    Run.objects.filter(experiment=experiment, name="rpt").delete()
    run, _ = running_rpt(experiment, ada, done=6, groups=1)
    headline = ranked(experiment)[0]
    assert (headline.after, headline.so_far.rows) == (None, [hard(run, 5)])
    shown = words(page(reverse("experiments:experiment_detail", args=[experiment.pk])))
    assert "→ –" in shown
    assert re.search(r"so far: [0-9.]+ %, [^;]*; “rpt”, step 5 of 80", shown)
    run.evaluations.filter(step__gt=0).delete()
    headline = ranked(experiment)[0]
    assert (headline.run, headline.so_far, headline.change) == (run, None, None)
    assert "→ –" in words(page(reverse("experiments:experiment_detail", args=[experiment.pk])))
    assert "Hard positions, reasoning" not in page(results(experiment))


def test_the_source_of_a_model_is_found_by_its_checkpoint(experiment):
    by_id = {run.pk: run for run in Run.objects.all()}
    assert source_run(experiment.runs.get(name="ntp-eval"), by_id).name == "more-ntp"
    assert source_run(trained(experiment, "hub", "deepseek-ai/R1"), by_id) is None
    assert source_run(experiment.runs.get(name="base"), by_id) is None


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [
        ([0], "seed 0"),
        ([1, 0, 1], "seeds 0, 1"),
        (range(26), "seeds 0 to 25"),
        ([10, 2, 3], "seeds 2, 3, 10"),
        ([9, 0, 1, 2], "seeds 0 to 2, 9"),
    ],
)
def test_seeds_are_told_once_and_in_short(seeds, expected):
    assert seeds_in_words(seeds) == expected
