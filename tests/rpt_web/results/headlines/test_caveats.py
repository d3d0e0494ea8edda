"""What a headline claims: its leads over a baseline, the runs it speaks of, what makes numbers weak."""

from __future__ import annotations

import pytest
from django.urls import reverse

from rpt_core.run.folder import RunDir
from rpt_core.statistics.paired import mean_difference
from rpt_web.results.models import Evaluation
from rpt_web.runs.models import Status
from tests.rpt_core.evaluation.outcome_files import row, write_outcomes
from tests.rpt_web.results.headline_pages import evaluate, hard, ranked, recompute, results, two_seeds, words, write

pytestmark = pytest.mark.slow
FINISHED = {"steps": 80, "groups": 0}
"""How large the experiment is that all tests here share."""


def test_a_baseline_stands_for_its_best_mode_thinking_or_not(page, experiment):
    ntp, sft, *_ = ranked(experiment)[0].baselines
    assert [(found.mode, found.estimate.value) for found in ntp.modes] == [
        ("standard", 0.15),
        ("reasoning", 0.06),
        ("reasoning, greedy", 0.05),
    ]
    assert [found.mode for found in sft.modes] == ["reasoning, greedy", "reasoning", "standard"]
    text = words(page(results(experiment)))
    assert "; both by reasoning baseline 6.0 %, " in text
    assert f"over the baseline's best mode, standard: {points_of(ntp.lead_over_best)}," in text
    assert "there the baseline has 15.0 %" in text
    assert "the baseline by mode, best first: standard 15.0 %; reasoning 6.0 %; reasoning, greedy 5.0 %" in text
    assert "best first: reasoning, greedy 24.0 %; reasoning 21.0 %; standard 15.0 %" in text
    experiment.runs.get(name="ntp-eval").evaluations.exclude(mode="sampled").delete()
    ntp, *_ = ranked(experiment)[0].baselines
    assert ntp.accuracy.rows == [hard(experiment.runs.get(name="ntp-eval"))]


def points_of(lead):
    return f"{100 * lead.estimate.value:+.1f}"


def test_a_lead_compares_the_same_mode_first_and_then_the_baselines_best(page, experiment):
    own = hard(experiment.runs.get(name="rpt"))
    evaluated = experiment.runs.get(name="sft-eval")
    (sft,) = [found for found in ranked(experiment)[0].baselines if found.name == "more-sft"]
    assert sft.lead.estimate.value == own.value - hard(evaluated).value
    assert sft.lead_over_best.estimate.value == own.value - hard(evaluated, mode="greedy").value
    text = words(page(results(experiment)))
    first, _, rest = text.partition("Lead over baseline “more-sft”, in points ")[2].partition(" ")
    assert first == points_of(sft.lead)
    assert rest.index("both by reasoning") < rest.index(
        f"best mode, reasoning, greedy: {points_of(sft.lead_over_best)}"
    )


def test_the_best_mode_of_several_seeds_is_one_mode_for_all(ada):
    experiment = two_seeds(ada, 0.25, 0.3)
    rows = Evaluation.objects.filter(run__name__endswith="ntp-eval", difficulty="hard")
    for seed, mode, value in ((0, "sampled", 0.5), (0, "standard", 0.3), (1, "sampled", 0.1), (1, "standard", 0.4)):
        rows.filter(run__name=f"s{seed}-ntp-eval", mode=mode).update(value=value)
    (baseline,) = ranked(experiment)[0].baselines
    assert baseline.accuracy.mode == "standard"
    assert baseline.accuracy.estimate.value == pytest.approx(0.35)
    assert baseline.lead.estimate.value == pytest.approx((0.25 - 0.5 + 0.3 - 0.1) / 2)
    assert baseline.lead_over_best.estimate.value == pytest.approx((0.25 - 0.3 + 0.3 - 0.4) / 2)
    rows.get(run__name="s1-ntp-eval", mode="standard").delete()
    (baseline,) = ranked(experiment)[0].baselines
    assert baseline.accuracy.mode == "reasoning"


def test_the_lead_over_another_mode_is_paired_by_position(experiment):
    own, other = hard(experiment.runs.get(name="rpt")), hard(experiment.runs.get(name="ntp-eval"), mode="standard")
    right, wrong = [n % 10 != 0 for n in range(90)], [n % 9 == 0 for n in range(90)]
    write(own, right)
    path = RunDir(other.run.directory).evaluation(other.step)
    write_outcomes(path, [row(f"d{n // 4}", n, standard=flag, sampled=0.0) for n, flag in enumerate(wrong)])
    Evaluation.objects.filter(pk=other.pk).update(value=10 / 90, n=90)
    lead = ranked(experiment)[0].baselines[0].lead_over_best
    assert (lead.how, lead.estimate) == ("paired by position", mean_difference(wrong, right, 0))


@pytest.mark.parametrize("from_file", [False, True])
def test_a_model_that_has_lost_the_format_of_its_answers_is_said_to(page, experiment, from_file):
    lost = hard(experiment.runs.get(name="ntp-eval"))
    if from_file:
        path = RunDir(lost.run.directory).evaluation(lost.step)
        answers = [None] * 88 + [b"7", b"8"]
        write_outcomes(
            path,
            [row("d", n, sampled=0.0, samples=1, sampled_prediction=found) for n, found in enumerate(answers)],
        )
        Evaluation.objects.filter(pk=lost.pk).update(value=0.0, n=90)
        recompute(experiment)
    else:
        Evaluation.objects.filter(pk=lost.pk).update(value=0.0, no_box=88 / 90)
    said = "Most responses have no box (97.8 %): the response format is lost"
    text = words(page(results(experiment))).replace("\xa0", " ")
    assert text.count(said) == 1
    assert said in words(page(reverse("experiments:experiment_detail", args=[experiment.pk]))).replace("\xa0", " ")
    before = hard(experiment.runs.get(name="rpt"), 0)
    Evaluation.objects.filter(pk=before.pk).update(no_box=0.9)
    assert words(page(results(experiment))).count("the response format is lost") == 2


def test_the_table_shows_where_most_responses_have_no_box(page, experiment):
    lost = hard(experiment.runs.get(name="ntp-eval"))
    Evaluation.objects.filter(pk=lost.pk).update(no_box=0.978)
    text = words(page(results(experiment)))
    assert text.count("· no box 97.8") == 1
    assert "The intervals cover the positions, for this one trained model: other seeds and processors differ." in text


def test_half_of_the_responses_with_a_box_is_no_lost_format(page, experiment):
    Evaluation.objects.filter(difficulty="hard").update(no_box=0.5)
    assert "the response format is lost" not in page(results(experiment))


def test_a_format_lost_in_some_seeds_says_in_how_many(ada):
    experiment = two_seeds(ada, 0.25, 0.3)
    Evaluation.objects.filter(run__name="s1-ntp-eval", mode="sampled").update(no_box=0.8)
    (baseline,) = ranked(experiment)[0].baselines
    assert baseline.reasoning.caveat.startswith("Most responses have no box in 1 of 2 seeds (80.0")


def test_numbers_of_a_size_that_means_nothing_say_so(page, experiment):
    pages = (results(experiment), reverse("experiments:experiment_detail", args=[experiment.pk]))
    for address in pages:
        assert "too few to claim anything" not in page(address)
    before = hard(experiment.runs.get(name="rpt"), 0)
    Evaluation.objects.filter(pk=before.pk).update(n=30)
    for address in pages:
        assert "Measured at 30 positions only: too few to claim anything." in page(address)
    experiment.preset = "smoke"
    experiment.save()
    for address in pages:
        assert "The preset smoke only shows that every stage runs: its numbers mean nothing." in page(address)
    assert "unreliable" in page(reverse("experiments:experiment_list"))


@pytest.mark.parametrize("status", [Status.CANCELLED, Status.FAILED, Status.LOST])
def test_a_run_that_did_not_succeed_is_never_after_rpt(page, experiment, status):
    experiment.runs.filter(name="rpt").update(status=status, step=40)
    experiment.runs.filter(name="rpt-eval").delete()
    headline = ranked(experiment)[0]
    assert (headline.name, headline.after, headline.change, headline.baselines) == ("rpt", None, None, [])
    assert headline.ended == f"{status} after 40 of 80 steps"
    detail = words(page(reverse("experiments:experiment_detail", args=[experiment.pk])))
    assert "→ – reasoning, sampled; “rpt”, seed 0 before: " in detail
    assert f"{status} after 40 of 80 steps" in detail
    text = words(page(results(experiment)))
    assert "After RPT" not in text
    assert f"RPT, {status} “rpt”, step 80" in text


def test_an_evaluation_of_a_cancelled_run_s_checkpoint_is_not_after_it(page, experiment):
    run = experiment.runs.get(name="rpt")
    experiment.runs.filter(pk=run.pk).update(status=Status.CANCELLED)
    evaluate(experiment, "late", f"{run.directory}/checkpoints/step-000040", 0.7)
    assert ranked(experiment)[0].after is None
    assert "“rpt”, cancelled" in words(page(results(experiment)))


def test_a_baseline_whose_training_was_cancelled_is_none(experiment):
    experiment.runs.filter(name="more-ntp").update(status=Status.CANCELLED)
    assert [found.name for found in ranked(experiment)[0].baselines] == ["more-sft", "expert-responses", "expert-flops"]


def test_a_run_that_went_on_after_its_last_evaluation_says_so(page, experiment):
    run = experiment.runs.get(name="rpt")
    run.evaluations.filter(step__gt=40).delete()
    experiment.runs.filter(name="rpt-eval").delete()
    assert ranked(experiment)[0].after.source == "“rpt”, step 40 of 80"
