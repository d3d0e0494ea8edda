"""Forms of a scaling curve held against each other: which one predicts a point that it has not seen.

In: the points of each difficulty and the accuracies of resampled documents. Out: a table with each form's error at the
last point, predicted by the curve through the others minus measured, with its interval over documents. A form that fits
well is not yet one that predicts: R2 is given beside the error. The power law is the paper's (Eq. 5); the saturating
exponential reaches its limit sooner; the log-linear form has none, and knows nothing of the end at 100 %.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from rpt_core.analysis.names import slug
from rpt_core.analysis.scaling import MIN_POINTS, fit_power_laws, fit_saturating
from rpt_core.arrays import Doubles
from rpt_core.run.tables import Cell, Column, Estimate, ResultTable

Predicting = Callable[[Doubles, Doubles], Callable[[npt.ArrayLike], Doubles]]
"""Of compute (points,) and accuracies (rows, points): what predicts (rows, points) at other compute."""


class PointsOfDifficulty(Protocol):
    """What is fitted: `FittedCurve` of `rpt_core.analysis.scaling_tables`."""

    @property
    def difficulty(self) -> str:
        """Its name."""

    @property
    def cost(self) -> Doubles:
        """(points,), above 0."""

    @property
    def accuracy(self) -> Doubles:
        """(points,)"""

    @property
    def draws(self) -> Doubles:
        """(resamples, points)"""

    @property
    def positions(self) -> int:
        """How many each point rests on."""


def log_linear(compute: Doubles, accuracies: Doubles) -> Callable[[npt.ArrayLike], Doubles]:
    """P(C) = a + b log C by least squares for each row."""
    x = np.log(compute)
    centred = x - x.mean()
    slopes = accuracies @ centred / (centred @ centred)
    means = accuracies.mean(1)

    def predict(at: npt.ArrayLike) -> Doubles:
        found: Doubles = means[:, None] + slopes[:, None] * (np.log(np.asarray(at, np.float64)) - x.mean())
        return found

    return predict


FORMS: dict[str, tuple[str, Predicting]] = {
    "power law": ("P* + A / C^alpha", lambda compute, accuracies: fit_power_laws(compute, accuracies).predict),
    "saturating exponential": (
        "P* - A exp(-k C)",
        lambda compute, accuracies: fit_saturating(compute, accuracies).predict,
    ),
    "log-linear": ("a + b log C", log_linear),
}
"""Name -> its formula and how it is fitted."""


def forms_table(name: str, curves: Sequence[PointsOfDifficulty]) -> ResultTable:
    """The forms of each difficulty; the one with the smallest error says so."""
    return ResultTable(
        f"forms_{slug(name)}",
        f"Forms of the scaling curve: {name}",
        "Error at the last point: predicted by the curve through all other points, minus measured, with its 95 % "
        "interval over resampled documents. Nearest: the form whose error is smallest; forms whose intervals overlap "
        "are not told apart by these points. R2 is that of all points and says little of a form with more parameters.",
        [
            Column("difficulty", "Difficulty"),
            Column("form", "Form"),
            Column("formula", "Formula"),
            Column("fit", "R2 of all points", "number"),
            Column("error", "Error at the last point", "difference"),
            Column("nearest", "Nearest"),
        ],
        [row for curve in curves for row in _rows(curve)],
    )


def held_out(curve: PointsOfDifficulty, fit: Predicting) -> Estimate | None:
    """Predicted minus measured accuracy at the last point; None where too few points remain without it."""
    others = curve.cost < curve.cost.max()
    if len(np.unique(curve.cost[others])) < MIN_POINTS:
        return None
    end = [curve.cost.max()]
    value = fit(curve.cost[others], curve.accuracy[None, others])(end)[0, 0] - curve.accuracy[~others].mean()
    drawn = fit(curve.cost[others], curve.draws[:, others])(end)[:, 0] - curve.draws[:, ~others].mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(float(value), float(low), float(high), curve.positions)


def _rows(curve: PointsOfDifficulty) -> list[dict[str, Cell]]:
    errors = {name: held_out(curve, fit) for name, (_, fit) in FORMS.items()}
    sizes = {name: abs(error.value) for name, error in errors.items() if error is not None}
    nearest = min(sizes, key=lambda name: sizes[name], default=None)
    return [
        {
            "difficulty": curve.difficulty,
            "form": name,
            "formula": formula,
            "fit": _r2(curve, fit),
            "error": errors[name],
            "nearest": "nearest" if name == nearest else None,
        }
        for name, (formula, fit) in FORMS.items()
    ]


def _r2(curve: PointsOfDifficulty, fit: Predicting) -> float | None:
    spread = float(((curve.accuracy - curve.accuracy.mean()) ** 2).sum())
    residual = curve.accuracy - fit(curve.cost, curve.accuracy[None])(curve.cost)[0]
    return 1 - float(residual @ residual) / spread if spread > 1e-18 else None
