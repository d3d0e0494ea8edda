"""The results of an experiment: table, published rows, scaling curve."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.urls import reverse

from rpt_core.plans.preset import load_preset, preset_names
from rpt_web.results import published, queries
from rpt_web.results.curves import PENDING, fitted_curves, stored_curves
from rpt_web.results.models import Evaluation, ScalingFit
from rpt_web.runs import services
from rpt_web.runs.models import Experiment
from rpt_web.runs.queries import runs_in_order
from tests.factories import make_experiment, make_user
from tests.preset_runs import finish_runs, finished_experiment, running_rpt
from tests.rpt_web.module_rows import module_rows
from tests.rpt_web.results.headline_pages import recompute
from tests.suite_runs import finish_all_waiting, finished_suite
from workers.event_rows import delete_beyond

pytestmark = pytest.mark.slow  # a full experiment


def address(experiment, query=""):
    return reverse("results:experiment_results", args=[experiment.pk]) + query


def words(html):
    """The text of a page without tags, blanks folded."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


@pytest.fixture(scope="module")
def finished(django_db_setup, django_db_blocker):
    with module_rows(django_db_blocker):
        yield finished_experiment(make_user("ada"), steps=80, groups=0).pk


@pytest.fixture
def experiment(db, finished):
    return Experiment.objects.get(pk=finished)


@pytest.fixture
def ada(experiment):
    return experiment.created_by


def blocks(experiment):
    return queries.model_blocks(experiment, runs_in_order(experiment))


def test_the_table_shows_before_after_and_the_compute_matched_baselines(experiment):
    found = blocks(experiment)
    baselines = ["more-ntp", "more-sft", "expert-responses", "expert-flops"]
    assert [block.title for block in found] == ["Before RPT", "After RPT", *(f"After “{name}”" for name in baselines)]
    assert [block.is_baseline for block in found] == [False, False, True, True, True, True]
    assert [row.label for row in found[0].rows] == ["standard", "reasoning", "reasoning, greedy"]
    rpt = experiment.runs.get(name="rpt")
    fewer = experiment.runs.get(name="expert-responses").flops
    assert [block.flops for block in found] == [0, rpt.flops, rpt.flops, rpt.flops, fewer, rpt.flops]
    notes = [block.note for block in found[-2:]]
    assert notes[0].endswith("of responses; same number of responses, compute 0.565 times that of “rpt”")
    assert notes[1].endswith("for the same compute; same compute as “rpt”")
    assert found[1].rows[1].cells["hard"] == rpt.evaluations.get(step=80, mode="sampled", difficulty="hard")


def test_an_evaluation_that_only_repeats_the_run_is_shown_once(experiment):
    evaluate = experiment.runs.get(name="rpt-eval")
    assert evaluate.evaluations.exists()
    assert evaluate.pk not in {block.run.pk for block in blocks(experiment)}
    evaluate.evaluations.filter(mode="greedy", difficulty="hard").update(value=0.01)
    assert evaluate.pk in {block.run.pk for block in blocks(experiment)}


def test_runs_from_the_same_start_show_it_once(experiment, ada):
    running_rpt(experiment, ada, done=6, groups=1)
    titles = [block.title for block in blocks(experiment)]
    assert titles.count("Before RPT") == 1
    assert "RPT, under way" in titles


def test_every_accuracy_stands_with_its_interval_and_n(page, experiment):
    cell = experiment.runs.get(name="rpt").evaluations.get(step=80, mode="sampled", difficulty="hard")
    text = words(page(address(experiment)))
    assert f"{100 * cell.low:.1f} to {100 * cell.high:.1f} · n 700" in text


def test_a_missing_cell_is_a_dash(page, experiment):
    experiment.runs.get(name="rpt").evaluations.filter(mode="greedy", difficulty="hard", step=0).delete()
    found = blocks(experiment)
    assert found[0].rows[2].in_order()[2] is None
    assert '<span class="faint">–</span>' in page(address(experiment))


def test_published_rows_are_marked_and_right(page, experiment):
    text = words(page(address(experiment)))
    assert "Published: Table 1, arXiv 2506.08007" in text
    expected = (
        "Qwen2.5-14B standard – 41.90 30.03 20.65 "
        "R1-Distill-Qwen-14B standard – 41.60 29.46 20.43 "
        "R1-Distill-Qwen-14B reasoning – 3.31 1.66 1.41 "
        "RPT-14B reasoning – 45.11 33.56 23.75"
    )
    assert expected in text
    assert published.SCALING_R2 == {"easy": 0.995, "medium": 0.997, "hard": 0.989}
    assert "R² 0.995 easy, 0.997 medium, 0.989 hard" in text


def test_the_curve_is_the_fit_of_the_evaluations_after_step_0(page, experiment):
    run = experiment.runs.get(name="rpt")
    for index, step in enumerate((5, 10, 20, 40, 60, 80)):  # P(C) = 0.9 - 3 / C^0.5 for C = 100, 400, ...
        compute = 100.0 * 4**index
        run.evaluations.filter(step=step, mode="sampled", difficulty="hard").update(
            flops=compute, value=0.9 - 3 / compute**0.5
        )
    recompute(experiment)
    hard = stored_curves(run)[2]
    assert [point.step for point in hard.points] == [5, 10, 20, 40, 60, 80]
    assert hard.fit is not None
    assert pytest.approx(-3, rel=1e-3) == hard.fit.A
    assert hard.fit.alpha == pytest.approx(0.5, rel=1e-3)
    assert hard.fit.p_star == pytest.approx(0.9, rel=1e-3)
    text = words(page(address(experiment)))
    assert "P(C) = −3 / C 0.500 + 0.900" in text
    assert "R² 1.000 on 6 points" in text


def test_a_fit_at_its_bound_is_said_to_be(page, experiment):
    run = experiment.runs.get(name="rpt")
    for index, step in enumerate((5, 10, 20, 40, 60, 80)):  # accuracy that grows with the logarithm has no limit
        run.evaluations.filter(step=step, mode="sampled", difficulty="easy").update(
            flops=10.0 ** (index + 6), value=0.05 + 0.18 * index
        )
    recompute(experiment)
    assert stored_curves(run)[0].fit.at_bound
    text = words(page(address(experiment)))
    assert "not determined" in text
    assert "The points do not determine this curve: P* lies at its bound of 100%; P* from " in text
    assert "Dotted, easy: the points do not determine this curve" in text


def test_a_fit_that_its_points_leave_open_says_so_whatever_its_r2(page, experiment):
    run = experiment.runs.get(name="rpt")
    values = (0.534, 0.613, 0.69, 0.717, 0.711, 0.721)
    for flops, step, value in zip(
        (2.8e10, 5.6e10, 1.2e11, 2.5e11, 3.7e11, 5e11), (5, 10, 20, 40, 60, 80), values, strict=True
    ):
        run.evaluations.filter(step=step, mode="sampled").update(flops=flops, value=value)
    recompute(experiment)
    fit = stored_curves(run)[0].fit
    assert fit.r2 > 0.97
    assert not fit.at_bound
    assert words(page(address(experiment))).count("so do not trust the curve or its limit.") == 3


def test_what_is_stored_of_a_fit_is_the_fit(experiment):
    run = experiment.runs.get(name="rpt")
    assert all(curve.fit for curve in fitted_curves(run))
    assert stored_curves(run) == fitted_curves(run)


def test_a_curve_is_fitted_again_when_an_evaluation_came_or_went(page, experiment):
    run = experiment.runs.get(name="rpt")
    delete_beyond(run, 40)
    assert not ScalingFit.objects.filter(run=run).exists()
    assert [curve.problem for curve in stored_curves(run)] == [PENDING] * 3
    assert PENDING in words(page(address(experiment)))
    recompute(experiment)
    assert [len(curve.points) for curve in stored_curves(run)] == [4] * 3
    assert stored_curves(run) == fitted_curves(run)


def test_too_few_points_are_said_instead_of_fitted(page, ada):
    experiment = make_experiment(ada)
    finish_runs(experiment, ada)
    running_rpt(experiment, ada, done=10, groups=1)
    text = words(page(address(experiment)))
    assert "Too few for a scaling curve: 2 points with different compute above 0, and it needs 4." in text
    assert "not determined" not in text


def test_several_samples_have_their_own_rows_in_order(page, experiment):
    run = experiment.runs.get(name="rpt")
    for cell in list(run.evaluations.filter(step=80, mode="sampled")):
        for mode in ("pass@16", "pass@2", "majority", "brand new"):
            cell.pk, cell.mode = None, mode
            cell.save()
    run.evaluations.filter(step=80, mode="sampled").update(correct=None)
    after = blocks(experiment)[1]
    assert [row.label for row in after.rows] == [
        "standard",
        "reasoning",
        "reasoning, pass@2",
        "reasoning, pass@16",
        "reasoning, majority vote",
        "reasoning, greedy",
        "brand new",
    ]
    assert "reasoning, pass@16" in page(address(experiment))
    assert "Next-token accuracy, reasoning, majority vote" in page(reverse("runs:run_evaluations", args=[run.pk]))


def test_copies_of_a_suite_are_told_apart_by_their_seeds(page, ada):
    experiment = make_experiment(ada)
    services.submit_suite(experiment, load_preset("tiny"), ada, seeds=[10, 2])
    for seed in (10, 2):
        finish_all_waiting(experiment, [f"s{seed}-{name}" for name in ("base", "filter", "cold-filter", "cold", "rpt")])
    groups = queries.by_seed(blocks(experiment))
    assert [(seed, len(found)) for seed, found in groups] == [("2", 2), ("10", 2)]
    text = words(page(address(experiment)))
    assert text.index("Seed 2 Before RPT") < text.index("Seed 10 Before RPT")


def test_tables_with_a_published_counterpart_stand_beside_it(page, ada):
    text = page(address(finished_suite(ada)))
    shown = words(text)
    for reference, rows in {
        "Table 2": "R1-Distill-Qwen-14B 51.2 52.7 R1-Distill-Qwen-14B + continual NTP on the same corpus 10.7 13.0 "
        "RPT-14B 56.3 58.3",
        "Table 3": "R1-Distill-Qwen-14B standard 32.0 48.4 R1-Distill-Qwen-32B standard 37.2 56.5 "
        "R1-Distill-Qwen-14B reasoning 36.1 68.9 RPT-14B reasoning 39.0 71.1",
        "Table 8": "v0, used for training 3.0 8.5 v1 5.7 11.0 v2 5.7 16.0 v3 5.3 11.0 v4 4.0 9.0 v5 4.4 12.5 "
        "v6 6.0 19.0",
    }.items():
        assert f"Published: {reference}, arXiv 2506.08007" in shown
        assert rows in shown
    assert shown.index("Questions answered right, before and after RLVR") < shown.index("Published: Table 2")
    assert "Hybrid thinking: after RPT" in shown
    assert "<script>alert" not in text


def test_without_tables_nothing_is_said_of_them(page, experiment):
    shown = words(page(address(experiment)))
    assert "Published: Table 2" not in shown
    assert "Result tables of the runs" not in shown


def test_an_empty_experiment_shows_the_published_rows_only(page, ada):
    text = words(page(address(make_experiment(ada))))
    assert "Nothing was evaluated here yet" in text
    assert "No curve yet" in text
    assert "RPT-14B" in text


@pytest.mark.parametrize("name", [*preset_names(), "of one's own", ""])
def test_what_the_results_of_a_preset_show_and_what_not_is_said_by_its_file(page, ada, name):
    said = load_preset(name) if name in preset_names() else None
    text = words(unescape(page(address(make_experiment(ada, preset=name)))))
    sentences = [*said.findings, said.caution] if said else []
    assert [sentence for sentence in sentences if sentence not in text] == []
    assert ("What these numbers do and do not show" in text) == any(sentences)


def test_the_address_can_name_another_run_for_the_curve(page, experiment, ada):
    other, _ = running_rpt(experiment, ada, done=6, groups=1)
    assert f'href="/runs/{other.pk}/">{other.name}</a> after step 0' in page(address(experiment, f"?run={other.pk}"))
    assert "rpt</a> after step 0" in page(address(experiment, "?run=nonsense"))


def test_the_number_of_queries_is_fixed(page, experiment, django_assert_num_queries):
    # session, user, roles, experiment, runs, parents, attempts, evaluations, headline, intervals, curve, fits, tables,
    # unread notices
    with django_assert_num_queries(14):
        page(address(experiment))
    run = experiment.runs.get(name="rpt")
    cells = list(run.evaluations.filter(step=80))
    for step in range(81, 140):
        Evaluation.objects.bulk_create(
            Evaluation(
                **{f.name: getattr(cell, f.name) for f in Evaluation._meta.fields if f.name != "id"} | {"step": step}
            )
            for cell in cells
        )
    with django_assert_num_queries(14):
        page(address(experiment))
