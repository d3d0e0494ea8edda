"""Fits of runs of several seeds, as one: the mean of alpha and P* over the seeds whose points determine a curve."""

from __future__ import annotations

from statistics import mean, stdev

import pytest

from rpt_core.analysis.scaling import PowerLaw
from rpt_web.results.curves import Curve
from rpt_web.results.paper_scaling import ScalingLine, scaling_means
from rpt_web.runs.models import Experiment, Run

T_OF_1 = 12.706204736174694
"""Student's t, 97.5 %, of one degree of freedom."""


def line(seed, alpha, p_star, at_bound=False, name="rpt"):
    run = Run(pk=seed, experiment=Experiment(pk=1, name="Suite"), name=f"s{seed}-{name}", seed=seed, copy_seed=seed)
    fit = PowerLaw(-1.0, alpha, p_star, 0.99, at_bound, p_star - 0.01, p_star + 0.01)
    return ScalingLine(run, run.name, Curve("hard", [], fit))


def test_only_fits_that_their_points_determine_are_averaged():
    (found,) = scaling_means([line(0, 0.4, 0.8), line(1, 0.6, 0.82), line(2, 9.0, 1.0, at_bound=True)])
    assert (found.label, found.difficulty, found.left_out) == ("rpt, mean of 2 seeds", "hard", 1)
    half = T_OF_1 * stdev((0.4, 0.6)) / 2**0.5
    assert (found.alpha.value, found.alpha.low, found.alpha.n) == (0.5, pytest.approx(mean((0.4, 0.6)) - half), 2)
    (alpha, _), (p_star, digits) = found.cells
    assert alpha is found.alpha
    assert (p_star.value, p_star.high, digits) == (pytest.approx(81.0), pytest.approx(81 + 12.7062 * 1), 1)


def test_one_seed_or_one_determined_fit_has_no_mean():
    assert scaling_means([line(0, 0.4, 0.8)]) == []
    assert scaling_means([line(0, 0.4, 0.8), line(1, 9.0, 1.0, at_bound=True)]) == []
    assert scaling_means([line(0, 0.4, 0.8), line(1, 0.4, 0.8, name="other")]) == []
