"""Scaling curves: P(C) = A / C^alpha + P*, accuracy over training compute (Eq. 5 and Fig. 5 of the paper).

In: compute (FLOPs, hours or tokens) and accuracies as fractions of 1. Out: a PowerLaw with R2, its extrapolation, its
error at a last point that it has not seen. For a given alpha the curve is linear in A and P*, so alpha is searched on a
grid, refined three times, and the rest is least squares. P* is held within [0, 1]. Many curves over the same compute
are fitted at once, which is what makes a bootstrap band cheap. Three parameters on a handful of points flatter R2:
`at_bound` marks a fit that its bounds decided, and such a fit is never extrapolated; `p_star_low` and `p_star_high`
are the 95 % profile interval of P*, and where it is wide, `remark` says that the points do not determine the curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rpt_core.errors import UserError
from rpt_core.words import counted

MIN_POINTS = 4
ALPHA_RANGE = (0.01, 10.0)
RATE_RANGE = (1e-3, 1e3)
"""Of a saturating exponential, for each geometric mean of the compute."""
WIDE = 0.1
"""P* is not determined when it could lie in a stretch wider than this."""
_GRID = 201
_REFINEMENTS = 4
_PROFILE = 1001
"""Values of P* and of alpha that the interval of P* is sought among."""
_CURVES_AT_ONCE = 256
"""Bounds the memory of a fit: curves x grid x points numbers at one time."""
_Array = npt.NDArray[np.float64]
_Flags = npt.NDArray[np.bool_]


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
    p_star_low: float
    p_star_high: float
    """Every P* from low to high fits the points nearly as well, see `_profile_interval`."""

    @property
    def is_determined(self) -> bool:
        """Whether the points say where the curve goes."""
        return not self.at_bound and self.p_star_high - self.p_star_low <= WIDE

    def remark(self) -> str:
        """How far the points determine P*, in words."""
        span = f"{self.p_star_low:.3f} to {self.p_star_high:.3f}"
        if (bound := self.bound()) is not None:
            return f"the points do not determine this curve: {bound}; P* from {span} fits them nearly as well"
        if not self.is_determined:
            return f"the points do not determine this curve: P* from {span} fits them nearly as well"
        return f"P* within {span}"

    def predict(self, compute: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Accuracy at each compute (more than 0, in the unit of the fit)."""
        # By logarithms, since C^alpha leaves the range of floats for large alpha.
        values = np.asarray(compute, dtype=np.float64)
        sign = np.sign(self.A)
        size = np.log(abs(self.A)) if self.A else -np.inf
        predicted: _Array = sign * np.exp(size - self.alpha * np.log(values)) + self.p_star
        return predicted

    def bound(self) -> str | None:
        """What decided the fit instead of the points, in words; None when the points did."""
        if not self.at_bound:
            return None
        if np.isnan(self.r2):
            return "the accuracies do not vary"
        if self.p_star in (0.0, 1.0):
            return f"P* lies at its bound of {self.p_star:.0%}"
        return f"alpha lies at its bound of {self.alpha:.3g}"


@dataclass(frozen=True)
class PowerLaws:
    """Curves fitted to several rows of accuracies over the same compute; each array has one value for each row."""

    a: _Array
    """A in units of scale^alpha, which keeps it within the range of floats."""
    alpha: _Array
    p_star: _Array
    error: _Array
    """Sum of squared residuals."""
    at_bound: _Flags
    scale: float

    def predict(self, compute: npt.ArrayLike) -> _Array:
        """Accuracy of each row's curve at each compute (points,): (rows, points)."""
        logs = np.log(np.asarray(compute, dtype=np.float64) / self.scale)
        predicted: _Array = self.a[:, None] * np.exp(-self.alpha[:, None] * logs) + self.p_star[:, None]
        return predicted


@dataclass(frozen=True)
class Saturating:
    """Saturating exponentials through several rows of accuracies; each array has one value for each row."""

    slope: _Array
    rate: _Array
    """For each `scale` of compute."""
    p_star: _Array
    at_bound: _Flags
    scale: float

    def predict(self, compute: npt.ArrayLike) -> _Array:
        """Accuracy of each row's curve at each compute (points,): (rows, points)."""
        values = np.asarray(compute, dtype=np.float64) / self.scale
        predicted: _Array = self.slope[:, None] * np.exp(-self.rate[:, None] * values) + self.p_star[:, None]
        return predicted


def fit_power_law(
    compute: Sequence[float] | npt.ArrayLike, accuracy: Sequence[float] | npt.ArrayLike, positions: int | None = None
) -> PowerLaw:
    """Fit the curve to points with compute above 0. Raises UserError when there are too few or they make no sense.

    positions: how many positions each accuracy was measured at, where that is known: it widens the interval of P*.
    """
    c, p = _points(compute, accuracy)
    fit = fit_power_laws(c, p[None])
    low, high = _profile_interval(np.log(c / fit.scale), p, fit, positions)
    spread = float(((p - p.mean()) ** 2).sum())
    with np.errstate(over="ignore"):
        a = float(fit.a[0] * np.exp(fit.alpha[0] * np.log(fit.scale)))
    return PowerLaw(
        A=a,
        alpha=float(fit.alpha[0]),
        p_star=float(fit.p_star[0]),
        r2=1 - float(fit.error[0]) / spread if _varies(p[None])[0] else float("nan"),
        at_bound=bool(fit.at_bound[0]),
        p_star_low=low,
        p_star_high=high,
    )


def fit_power_laws(compute: _Array, accuracies: _Array) -> PowerLaws:
    """Fit a curve to each row of accuracies (rows, points) over the same compute (points,).

    Unchecked: compute is above 0 and takes at least MIN_POINTS different values, accuracies lie in [0, 1].
    """
    scale = float(np.exp(np.log(compute).mean()))  # keeps x near 1, whatever the unit
    logs = np.log(compute / scale)
    parts = [
        _search(logs, accuracies[start : start + _CURVES_AT_ONCE])
        for start in range(0, len(accuracies), _CURVES_AT_ONCE)
    ]
    alpha, a, p_star, error = (np.concatenate(values) for values in zip(*parts, strict=True))
    at_edge = np.isclose(alpha, ALPHA_RANGE[0], rtol=1e-3) | np.isclose(alpha, ALPHA_RANGE[1], rtol=1e-3)
    at_bound = at_edge | (p_star == 0) | (p_star == 1) | ~_varies(accuracies)
    return PowerLaws(a, alpha, p_star, error, at_bound, scale)


def extrapolate(
    compute: Sequence[float] | npt.ArrayLike, accuracy: Sequence[float] | npt.ArrayLike, at: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Accuracy that the curve through the points predicts at other compute.

    Raises UserError, saying why, when there are fewer than MIN_POINTS points, or when the best fit lies at a bound, so
    that the points do not say where the curve goes.
    """
    fit = fit_power_law(compute, accuracy)
    if (reason := fit.bound()) is not None:
        raise UserError(
            f"This scaling curve cannot be extrapolated: {reason}, so the points do not say where it goes. Evaluate at "
            "more checkpoints, further apart, or at more positions."
        )
    return fit.predict(at)


def held_out_error(compute: Sequence[float] | npt.ArrayLike, accuracy: Sequence[float] | npt.ArrayLike) -> float:
    """Predicted minus measured accuracy at the largest compute, by the curve through all other points.

    Raises UserError when fewer than MIN_POINTS remain without it, or their fit cannot be extrapolated.
    """
    c, p = _points(compute, accuracy)
    last, others = c == c.max(), c < c.max()
    return float(extrapolate(c[others], p[others], c.max()) - p[last].mean())


def _points(compute: npt.ArrayLike, accuracy: npt.ArrayLike) -> tuple[_Array, _Array]:
    c, p = np.asarray(compute, dtype=np.float64), np.asarray(accuracy, dtype=np.float64)
    if c.ndim != 1 or c.shape != p.shape:
        raise UserError(f"{c.size} compute values do not match {p.size} accuracies. Give one accuracy for each.")
    usable = np.isfinite(c) & np.isfinite(p) & (c > 0)
    c, p = c[usable], p[usable]
    if len(np.unique(c)) < MIN_POINTS:
        points = counted(len(np.unique(c)), "point")
        raise UserError(
            f"Too few for a scaling curve: {points} with different compute above 0, and it needs {MIN_POINTS}. "
            "Evaluate at more checkpoints."
        )
    if p.min() < 0 or p.max() > 1:
        raise UserError(f"Accuracies lie between {p.min():g} and {p.max():g}. Give them as fractions between 0 and 1.")
    return c, p


def fit_saturating(compute: _Array, accuracies: _Array) -> Saturating:
    """Fit P(C) = P* - A exp(-k C) to each row of accuracies (rows, points), unchecked as `fit_power_laws`."""
    scale = float(np.exp(np.log(compute).mean()))
    rate, slope, p_star, _ = _search(compute / scale, accuracies, RATE_RANGE)
    at_edge = np.isclose(rate, RATE_RANGE[0], rtol=1e-3) | np.isclose(rate, RATE_RANGE[1], rtol=1e-3)
    return Saturating(slope, rate, p_star, at_edge | (p_star == 0) | (p_star == 1) | ~_varies(accuracies), scale)


def _search(
    values: _Array, p: _Array, allowed: tuple[float, float] = ALPHA_RANGE
) -> tuple[_Array, _Array, _Array, _Array]:
    """Best k, slope, P* and squared error of slope exp(-k values) + P* for each row of p (rows, points).

    With the logarithms of the compute as values, k is alpha.
    """
    rows = np.arange(len(p))
    low, high = (np.full(len(p), np.log(edge)) for edge in allowed)
    for _ in range(_REFINEMENTS):
        grid = np.linspace(low, high, _GRID, axis=1)  # (rows, grid), of log k
        slope, p_star, error = _solve(np.exp(-np.exp(grid)[..., None] * values), p)
        best = error.argmin(1)
        low, high = grid[rows, np.maximum(best - 1, 0)], grid[rows, np.minimum(best + 1, _GRID - 1)]
    return np.exp(grid[rows, best]), slope[rows, best], p_star[rows, best], error[rows, best]


def _solve(x: _Array, p: _Array) -> tuple[_Array, _Array, _Array]:
    """Least squares for p = slope x + P* with P* in [0, 1], for x (rows, grid, points) and p (rows, points)."""
    mean_x, mean_p = x.mean(2), p.mean(1)[:, None]
    centred = x - mean_x[..., None]
    slope = np.einsum("rgp,rp->rg", centred, p) / np.einsum("rgp,rgp->rg", centred, centred)
    free = mean_p - slope * mean_x
    p_star = np.clip(free, 0.0, 1.0)
    held = np.einsum("rgp,rgp->rg", x, p[:, None] - p_star[..., None]) / np.einsum("rgp,rgp->rg", x, x)
    slope = np.where(p_star == free, slope, held)
    residual = p[:, None] - slope[..., None] * x - p_star[..., None]
    return slope, p_star, np.einsum("rgp,rgp->rg", residual, residual)


def _profile_interval(logs: _Array, p: _Array, fit: PowerLaws, positions: int | None) -> tuple[float, float]:
    """Lowest and highest P* in [0, 1] whose best curve is as good as the best one within the noise, at 95 %.

    For each P* the best A and alpha are sought. Noise is the larger of what the points scatter about the curve
    (residuals over points - 3 degrees of freedom, F distribution) and what a sample of positions must scatter
    (binomial, chi-squared).
    """
    from scipy import stats  # slow to load, and the pages load this module

    p_star = np.linspace(0.0, 1.0, _PROFILE)
    x = np.exp(-np.geomspace(*ALPHA_RANGE, _PROFILE)[:, None] * logs)  # (alphas, points)
    gap = p - p_star[:, None]  # (P*, points)
    # The best slope leaves |gap|^2 - (x.gap)^2 / |x|^2.
    explained = (gap @ x.T) ** 2 / np.einsum("ap,ap->a", x, x)
    error = np.einsum("qp,qp->q", gap, gap) - explained.max(1)
    freedom = len(p) - 3
    noise = stats.f.ppf(0.95, 1, freedom) * fit.error[0] / freedom
    if positions:
        noise = max(noise, stats.chi2.ppf(0.95, 1) * float((p * (1 - p)).mean()) / positions)
    fitting = np.append(p_star[error <= fit.error[0] + noise + 1e-12], fit.p_star)
    return float(fitting.min()), float(fitting.max())


def _varies(p: _Array) -> _Flags:
    """Whether each row's accuracies differ by more than rounding."""
    varies: _Flags = ((p - p.mean(1, keepdims=True)) ** 2).sum(1) > 1e-18
    return varies
