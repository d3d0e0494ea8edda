"""Scaling curves: accuracy over training compute, and the power law through it (Eq. 5 and Fig. 5 of the paper).

In: an RPT run's evaluations. Out: `Curve`s. A page reads the fits that `workers.intervals` has stored
(`stored_curves`); whoever stores or reports them computes them (`fitted_curves`), which takes tens of milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q

from rpt_core.analysis.scaling import PowerLaw, fit_power_law
from rpt_core.config import DIFFICULTIES
from rpt_core.errors import UserError
from rpt_web.results.models import Evaluation
from rpt_web.runs.models import Run

MODE = "sampled"
CURVE_POINT = Q(mode=MODE, step__gt=0, flops__gt=0, n__gt=0)
"""Evaluations that are points of a curve. Step 0 has spent no compute and is left out, as in the paper."""
PENDING = "The curve is being fitted."
NO_POINTS = "There is no evaluation after step 0 yet."
NOT_DETERMINED = "The points do not determine a curve."


@dataclass(frozen=True)
class Curve:
    """Accuracy over training compute at one difficulty, and the power law through it, or why there is none."""

    difficulty: str
    points: list[Evaluation]
    fit: PowerLaw | None
    problem: str = ""


def stored_curves(run: Run) -> list[Curve]:
    """The curves of an RPT run with their stored fits (2 queries)."""
    fits = {(row.difficulty, tuple(row.evaluations)): row for row in run.scaling_fits.filter(mode=MODE)}
    curves = []
    for difficulty, points in _points(run):
        row = fits.get((difficulty, tuple(point.pk for point in points)))
        problem = (PENDING if row is None else row.problem) if points else NO_POINTS
        curves.append(Curve(difficulty, points, row.law if row else None, problem))
    return curves


def fitted_curves(run: Run) -> list[Curve]:
    """The same curves, fitted now (1 query)."""
    return [_fitted(difficulty, points) for difficulty, points in _points(run)]


def _points(run: Run) -> list[tuple[str, list[Evaluation]]]:
    """The points by difficulty."""
    rows = list(run.evaluations.filter(CURVE_POINT).order_by("step"))
    return [(level, [row for row in rows if row.difficulty == level]) for level in DIFFICULTIES]


def _fitted(difficulty: str, points: Sequence[Evaluation]) -> Curve:
    if not points:
        return Curve(difficulty, [], None, NO_POINTS)
    compute, accuracy = [float(row.flops or 0) for row in points], [row.value for row in points]
    try:
        fit = fit_power_law(compute, accuracy, min(row.n for row in points))
    except UserError as error:
        return Curve(difficulty, list(points), None, str(error))
    if not all(math.isfinite(value) for value in (fit.A, fit.alpha, fit.p_star)):
        return Curve(difficulty, list(points), None, NOT_DETERMINED)
    return Curve(difficulty, list(points), fit)
