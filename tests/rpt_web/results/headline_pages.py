"""Experiments with headlines for tests, and what their pages say."""

from __future__ import annotations

import re

from django.urls import reverse

from rpt_core.plans.preset import load_preset
from rpt_core.run.folder import RunDir
from rpt_web.results.headlines import ranked_headlines
from rpt_web.results.models import Evaluation, ScalingFit
from rpt_web.runs import parents, services
from rpt_web.runs.models import Run
from rpt_web.runs.queries import runs_in_order
from tests.factories import make_experiment
from tests.rpt_core.evaluation.outcome_files import row, write_outcomes
from tests.suite_runs import finish_all_waiting
from workers import intervals

ASKED_FOR = ("base", "filter", "cold-filter", "cold", "rpt", "more-ntp", "ntp-eval")
"""The runs of a seed that its headlines come from."""


def ranked(experiment):
    """The headlines with what a worker computes of the rows as they are now: tests change these by hand."""
    recompute(experiment)
    return ranked_headlines(experiment, runs_in_order(experiment))


def recompute(experiment):
    """Forget what was computed, and compute it again as when evaluations arrive."""
    experiment.intervals.all().delete()
    ScalingFit.objects.filter(run__experiment=experiment).delete()
    assert intervals.refresh(experiment.pk)


def words(html):
    """The text of a page without tags, blanks folded; none between a link and what ends it."""
    return re.sub(r"\s+", " ", re.sub(r"(</a>(?=[;,.]))|<[^>]+>", lambda tag: "" if tag[1] else " ", html))


def results(experiment, query=""):
    return reverse("results:experiment_results", args=[experiment.pk]) + query


def hard(run, step=None, mode="sampled"):
    found = run.evaluations.filter(mode=mode, difficulty="hard").order_by("step")
    return found.last() if step is None else found.get(step=step)


def write(evaluation, right):
    """Outcomes on disk that agree with the row: `right` says which positions are."""
    path = RunDir(evaluation.run.directory).evaluation(evaluation.step)
    write_outcomes(path, [row(f"d{n // 4}", n, sampled=float(is_right)) for n, is_right in enumerate(right)])
    share = sum(right) / len(right)
    Evaluation.objects.filter(pk=evaluation.pk).update(value=share, n=len(right), low=share - 0.05, high=share + 0.05)


def two_seeds(ada, first, second):
    """A suite of two seeds, whose accuracy after RPT is given."""
    experiment = make_experiment(ada)
    services.submit_suite(experiment, load_preset("tiny"), ada, seeds=[0, 1])
    for seed, value in enumerate((first, second)):
        finish_all_waiting(
            experiment,
            [f"s{seed}-{name}" for name in ASKED_FOR],
        )
        run = experiment.runs.get(name=f"s{seed}-rpt")
        run.evaluations.filter(step=3, mode="sampled", difficulty="hard").update(value=value)
    recompute(experiment)
    return experiment


def trained(experiment, name, start, stage="ntp", flops=1e12, plan=None, **config):
    """A run that trained from a checkpoint, as a row of its own."""
    config = {"model": {"path": start}, **config}
    run = Run.objects.create(
        experiment=experiment, name=name, stage=stage, status="succeeded", flops=flops, plan=plan or {}, config=config
    )
    parents.record([run])
    return run


def evaluate(experiment, name, path, value, n=500):
    """An evaluate run of the model at a path."""
    run = trained(experiment, name, path, "evaluate", flops=None)
    cell = {"mode": "sampled", "difficulty": "hard", "low": value - 0.04, "high": value + 0.04, "value": value, "n": n}
    Evaluation.objects.create(run=run, attempt=1, step=0, **cell)
    recompute(experiment)
    return run
