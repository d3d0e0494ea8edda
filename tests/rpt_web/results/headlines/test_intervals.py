"""Intervals are computed once by workers, when results arrive; pages read them, and compute none."""

from __future__ import annotations

import importlib
import sys

import pytest
from django.apps import apps
from django.urls import reverse

from rpt_web.results import curves
from rpt_web.results.changes import PENDING
from rpt_web.results.models import Evaluation, Interval, ScalingFit
from rpt_web.runs.models import Experiment, Run
from tests.factories import EventFile, evaluation_results, record, start_run
from tests.rpt_web.results.headline_pages import hard, recompute, results, two_seeds, words
from workers import intervals, reaper

pytestmark = pytest.mark.slow
FINISHED = {"steps": 3, "groups": 1}
"""How large the experiment is that all tests here share."""


def stored(experiment):
    return {(row.kind, tuple(row.evaluations)): row for row in experiment.intervals.all()}


def called_files(act):
    """The files of all Python functions that are called while something is done."""
    files = set()
    sys.setprofile(lambda frame, event, _: files.add(frame.f_code.co_filename) if event == "call" else None)
    try:
        act()
    finally:
        sys.setprofile(None)
    return files


def is_computing(file):
    return (
        "/rpt_core/statistics/" in file
        or "/analysis/scaling.py" in file
        or "/pyarrow/parquet/" in file
        or "/scipy/stats/" in file
    )


def pages_of(experiment):
    detail = reverse("experiments:experiment_detail", args=[experiment.pk])
    parts = [(detail, {"HX-Target": "runs", "HX-Request": "true"})]
    whole = [(address, {}) for address in (reverse("experiments:experiment_list"), detail)]
    return [*whole, *parts]


def test_no_page_with_a_headline_computes_an_interval_or_reads_outcomes(page, experiment, ada):
    seeds = two_seeds(ada, 0.3, 0.4)
    for found in (experiment, seeds):
        for address, headers in pages_of(found):
            files = called_files(lambda address=address, headers=headers: page(address, headers=headers))
            assert any("results/headlines.py" in file for file in files)
            assert [file for file in files if is_computing(file)] == []


def test_the_results_page_computes_no_interval_and_fits_no_curve(page, experiment, ada, monkeypatch):
    experiments = experiment, two_seeds(ada, 0.3, 0.4)
    monkeypatch.setattr(curves, "fit_power_law", None)  # its numbers are read, and words about them written
    for address in [results(found) for found in experiments]:  # which loads the code of all pages
        files = called_files(lambda address=address: page(address))
        assert any("results/curves.py" in file for file in files)
        assert [file for file in files if "/rpt_core/statistics/" in file or "/pyarrow/parquet/" in file] == []


def test_fits_of_results_from_before_they_were_stored_are_made_by_the_reaper(experiment):
    expected = curves.stored_curves(experiment.runs.get(name="rpt"))
    ScalingFit.objects.all().delete()
    importlib.import_module("rpt_web.results.migrations.0006_scaling_fits").ask_for_fits(apps, None)
    reaper.compute_intervals()
    assert curves.stored_curves(experiment.runs.get(name="rpt")) == expected


def test_what_computes_is_seen(experiment):
    assert any(is_computing(file) for file in called_files(lambda: recompute(experiment)))


def test_all_intervals_of_a_headline_are_there_when_its_runs_have_ended(page, experiment):
    shown = words(page(results(experiment)))
    assert "unpaired (Newcombe)" in shown
    assert PENDING not in shown
    assert not intervals.due().exists()


def test_until_they_are_computed_the_page_says_so(page, experiment):
    expected = stored(experiment)
    experiment.intervals.all().delete()
    shown = words(page(results(experiment)))
    assert PENDING in shown
    assert "unpaired" not in shown
    Experiment.objects.update(intervals_version=0)
    reaper.run_round(reap=False)
    assert stored(experiment).keys() == expected.keys()
    assert PENDING not in words(page(results(experiment)))


def test_an_evaluation_that_comes_again_changes_what_was_computed(experiment, ada):
    run = experiment.runs.get(name="ntp-eval")
    Run.objects.filter(pk=run.pk).update(status="queued")
    before = {key: row.value for key, row in stored(experiment).items()}
    run, events = start_run(run)
    again = EventFile(run, events.now)
    cells = evaluation_results({mode: {"hard": 0.5} for mode in ("standard", "sampled", "greedy")})
    again.emit("evaluation", step=80, flops=1e12, outcomes="evaluations/none.parquet", results=cells)
    own = set(run.evaluations.values_list("pk", flat=True))
    record(run)
    best = hard(experiment.runs.get(name="rpt"))
    lead = next(row for (_, ids), row in stored(experiment).items() if own & set(ids) and best.pk in ids)
    assert lead.value == best.value - 0.5
    others = {key: row.value for key, row in stored(experiment).items() if not own & set(key[1])}
    assert others.items() <= before.items()


def test_what_is_up_to_date_is_not_computed_again(experiment):
    rows = {row.pk for row in experiment.intervals.all()}
    assert rows
    assert intervals.refresh(experiment.pk)
    assert {row.pk for row in experiment.intervals.all()} == rows


def test_results_from_before_there_were_intervals_get_them_from_the_reaper(experiment):
    expected = stored(experiment).keys()
    Interval.objects.all().delete()
    Experiment.objects.update(results_version=0, intervals_version=0)
    importlib.import_module("rpt_web.results.migrations.0005_intervals").ask_for_intervals(apps, None)
    assert list(intervals.due()) == [experiment]
    reaper.compute_intervals()
    assert stored(experiment).keys() == expected
    assert not intervals.due().exists()


def test_what_cannot_be_computed_is_logged_and_ends_nothing(page, experiment, caplog, monkeypatch):
    monkeypatch.setattr(reaper, "_failed", set())  # the next test's experiment has the same number
    Interval.objects.all().delete()
    Evaluation.objects.filter(run__name="rpt", step=0).update(low=-1e200)  # its square is too large for a float
    Experiment.objects.update(intervals_version=0)
    reaper.compute_intervals()
    assert f"the intervals of experiment {experiment.pk} cannot be computed" in caplog.text
    caplog.clear()
    reaper.compute_intervals()
    assert not caplog.text
    assert PENDING in words(page(results(experiment)))
