"""Scaling curves: P(C) = A / C^alpha + P*, accuracy over training compute (Eq. 5 and Fig. 5 of the paper).

In: compute in FLOPs and accuracies as fractions of 1. Out: a PowerLaw with R2. For a given alpha the curve is linear in
A and P*, so alpha is searched on a grid, refined three times, and the rest is least squares. P* is held within [0, 1].
Three parameters on a handful of points flatter R2; `at_bound` marks a fit that its bounds decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rpt_core.errors import UserError

MIN_POINTS = 4
ALPHA_RANGE = (0.01, 10.0)
_GRID = 201
_REFINEMENTS = 4
_Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PowerLaw:
    """A fitted curve."""

    A: float
    """Negative when accuracy rises."""
    alpha: float
    p_star: float
    """Accuracy that the curve tends to."""
    r2: float
    """Share of the variance that the curve explains; NaN when the accuracies do not vary."""
    at_bound: bool
    """alpha or P* lies at the edge of what is allowed: the curve does not determine it."""

    def predict(self, compute: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Accuracy at each compute (FLOPs, more than 0)."""
        # By logarithms, since C^alpha leaves the range of floats for large alpha.
        values = np.asarray(compute, dtype=np.float64)
        sign = np.sign(self.A)
        size = np.log(abs(self.A)) if self.A else -np.inf
        predicted: _Array = sign * np.exp(size - self.alpha * np.log(values)) + self.p_star
        return predicted


@dataclass(frozen=True)
class _Fit:
    error: float
    alpha: float
    a: float
    p_star: float


def fit_power_law(compute: Sequence[float] | npt.ArrayLike, accuracy: Sequence[float] | npt.ArrayLike) -> PowerLaw:
    """Fit the curve to points with compute above 0. Raises UserError when there are too few or they make no sense."""
    c, p = _points(compute, accuracy)
    scale = float(np.exp(np.log(c).mean()))  # keeps x near 1, whatever the FLOPs
    low, high = ALPHA_RANGE
    for _ in range(_REFINEMENTS):
        grid = np.geomspace(low, high, _GRID)
        fits = [_solve((c / scale) ** -alpha, p, float(alpha)) for alpha in grid]
        best = min(range(_GRID), key=lambda index: fits[index].error)
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, _GRID - 1)]
    return _power_law(fits[best], p, scale)


def _points(compute: npt.ArrayLike, accuracy: npt.ArrayLike) -> tuple[_Array, _Array]:
    c, p = np.asarray(compute, dtype=np.float64), np.asarray(accuracy, dtype=np.float64)
    if c.ndim != 1 or c.shape != p.shape:
        raise UserError(f"{c.size} compute values do not match {p.size} accuracies. Give one accuracy for each.")
    usable = np.isfinite(c) & np.isfinite(p) & (c > 0)
    c, p = c[usable], p[usable]
    if len(c) < MIN_POINTS or len(np.unique(c)) < MIN_POINTS:
        raise UserError(
            f"{len(np.unique(c))} points with different compute above 0 are too few for a scaling curve, which needs "
            f"{MIN_POINTS}. Evaluate at more checkpoints."
        )
    if p.min() < 0 or p.max() > 1:
        raise UserError(f"Accuracies lie between {p.min():g} and {p.max():g}. Give them as fractions between 0 and 1.")
    return c, p


def _solve(x: _Array, p: _Array, alpha: float) -> _Fit:
    """Least squares for p = a x + P* with P* in [0, 1]."""
    centred = x - x.mean()
    slope = float(centred @ p / (centred @ centred))
    p_star = float(p.mean() - slope * x.mean())
    if not 0 <= p_star <= 1:
        p_star = min(max(p_star, 0.0), 1.0)
        slope = float(x @ (p - p_star) / (x @ x))
    return _Fit(float(((p - slope * x - p_star) ** 2).sum()), alpha, slope, p_star)


def _power_law(fit: _Fit, p: _Array, scale: float) -> PowerLaw:
    spread = float(((p - p.mean()) ** 2).sum())
    varies = spread > 1e-18
    at_edge = any(np.isclose(fit.alpha, edge, rtol=1e-3) for edge in ALPHA_RANGE)
    with np.errstate(over="ignore"):
        a = float(fit.a * np.exp(fit.alpha * np.log(scale)))
    return PowerLaw(
        A=a,
        alpha=fit.alpha,
        p_star=fit.p_star,
        r2=1 - fit.error / spread if varies else float("nan"),
        at_bound=bool(at_edge or fit.p_star in (0.0, 1.0) or not varies),
    )
