"""Scaling curves of a run as finished tables: one fit for each difficulty, its points, its curve with a band (Fig. 5).

In: a ScalingConfig that names a run evaluated at several steps. Out: four ResultTables, the last of which compares
other forms of the curve (`rpt_core.analysis.scaling_forms`). The band and the intervals of the fits come from one
bootstrap: documents are drawn with all their positions, the same ones at every step, and each draw is fitted again. So
they say how far the sample of documents decides the curve; they do not cover what another training run would give.

The paper gives R2 only. Here also the error at the last checkpoint by the curve through the others, and the accuracy at
twice the cost; both are left out, with the reason, where the points do not determine the curve. The note of a fit says
so too where P* could lie in a wide stretch (its profile interval, see rpt_core.analysis.scaling), and where the
resamplings cast doubt on it: many at a bound, or a wide interval of P* or alpha.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from rpt_core.analysis.names import slug
from rpt_core.analysis.scaling import MIN_POINTS, WIDE, PowerLaw, PowerLaws, extrapolate, fit_power_law, fit_power_laws
from rpt_core.analysis.scaling import held_out_error as error_at_last
from rpt_core.analysis.scaling_forms import forms_table
from rpt_core.analysis.scaling_points import Evaluations, read_evaluations
from rpt_core.arrays import Doubles
from rpt_core.config import ScalingConfig
from rpt_core.errors import UserError
from rpt_core.run.tables import Cell, Chart, Column, ColumnKind, Estimate, ResultTable
from rpt_core.seeds import derive_seed
from rpt_core.statistics.intervals import mean_interval
from rpt_core.words import counted

AHEAD = 2.0
"""Extrapolations go to so many times the cost of the last point."""
CURVE_POINTS = 30
OFTEN_AT_BOUND = 0.05
"""A fit is doubted when so large a share of its resamplings lies at a bound."""
ALPHA_SPREAD = 4.0
"""alpha is not determined when the end of its interval is so many times the start."""
_DRAWS_AT_ONCE = 500
_COSTS: dict[str, tuple[str, ColumnKind, str]] = {
    "flops": ("Training compute (FLOPs)", "flops", "Cost is training compute as the run counted it."),
    "gpu_hours": (
        "Device hours",
        "number",
        "Cost is hours of the run's device for sampling and updates: GPU hours on a GPU, and hours of the CPU without.",
    ),
    "tokens": (
        "Tokens of the rollouts",
        "tokens",
        "Cost is tokens of the training rollouts: each prompt once for its group, and all generated tokens.",
    ),
}


@dataclass(frozen=True)
class FittedCurve:
    """One difficulty's points, its curve, and the curves of the resampled documents."""

    difficulty: str
    cost: Doubles
    correct: Doubles
    """(positions, points)"""
    samples: int
    draws: Doubles
    """(resamples, points): accuracies of resampled documents."""
    fit: PowerLaw
    fits: PowerLaws

    @property
    def accuracy(self) -> Doubles:
        """(points,)"""
        means: Doubles = self.correct.mean(0)
        return means

    @property
    def positions(self) -> int:
        """How many positions each point rests on."""
        return len(self.correct)


def scaling_tables(config: ScalingConfig, seed: int) -> list[ResultTable]:
    """Fits, points, curves, other forms. Raises UserError when the run has too few evaluations, or unlike ones."""
    found = read_evaluations(config)
    if len(np.unique(found.cost)) < MIN_POINTS:
        raise UserError(
            f"{config.run} was evaluated at {counted(len(np.unique(found.cost)), 'step')} with a cost above 0. A "
            f"scaling curve needs {MIN_POINTS}, and more to be trusted: set `evaluate_at_steps`."
        )
    curves = [fit_curve(config, found, name, seed) for name, flags in found.members.items() if flags.any()]
    return [
        _fits(config, curves),
        _points(config, found, curves),
        _bands(config, curves),
        forms_table(config.name, curves),
    ]


def fit_curve(config: ScalingConfig, found: Evaluations, difficulty: str, seed: int) -> FittedCurve:
    """Fit one difficulty, and each resampling of its documents."""
    flags = found.members[difficulty]
    correct = found.correct[flags]
    documents = [document for document, chosen in zip(found.documents, flags, strict=True) if chosen]
    draws = resampled_means(correct, documents, config.bootstrap, derive_seed(seed, "scaling", difficulty))
    return FittedCurve(
        difficulty,
        found.cost,
        correct,
        found.samples,
        draws,
        fit_power_law(found.cost, correct.mean(0)),
        fit_power_laws(found.cost, draws),
    )


def resampled_means(values: Doubles, clusters: list[str], resamples: int, seed: int) -> Doubles:
    """Means of values (rows, points) over clusters drawn with replacement, each with all its rows: (resamples, points).

    A draw takes the same clusters for every point.
    """
    _, which = np.unique(np.array(clusters), return_inverse=True)
    sizes = np.bincount(which).astype(np.float64)
    sums = np.stack([np.bincount(which, column) for column in values.T], axis=1)
    random = np.random.default_rng(seed)
    parts = []
    for done in range(0, resamples, _DRAWS_AT_ONCE):
        draws = min(_DRAWS_AT_ONCE, resamples - done)
        times = random.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), draws)  # how often each is drawn
        parts.append((times @ sums) / (times @ sizes)[:, None])
    # The sum of a mean's parts may round to a hair beyond 1.
    return np.clip(np.concatenate(parts), 0.0, 1.0)


def held_out_error(curve: FittedCurve) -> Estimate:
    """Predicted minus measured accuracy at the last point. Raises UserError with the reason when there is none."""
    value = error_at_last(curve.cost, curve.accuracy)
    end = curve.cost.max()
    others = curve.cost < end
    predicted = fit_power_laws(curve.cost[others], curve.draws[:, others]).predict([end])[:, 0]
    return _estimate(value, predicted - curve.draws[:, ~others].mean(1), curve.positions)


def _fits(config: ScalingConfig, curves: list[FittedCurve]) -> ResultTable:
    _, _, cost = _COSTS[config.x]
    return ResultTable(
        f"scaling_{slug(config.name)}",
        f"Scaling: {config.name}",
        f"P(C) = A / C^alpha + P*, one fit for each difficulty, {config.mode} mode. {cost} {_intervals(config)} Error "
        "at the last point: predicted by the curve through the others, minus measured. Three parameters on few points "
        "inflate R2. At a bound: share of the resamplings whose curve the points do not determine.",
        [
            Column("difficulty", "Difficulty"),
            Column("points", "Points", "count"),
            Column("positions", "Positions", "count"),
            Column("a", "A", "number"),
            Column("alpha", "alpha", "number"),
            Column("p_star", "P*", "share"),
            Column("r2", "R2", "number"),
            Column("error", "Error at the last point", "difference"),
            Column("ahead", f"At {AHEAD:g} times the cost", "share"),
            Column("at_bound", "At a bound", "share"),
            Column("note", "Note"),
        ],
        [_fit_row(curve, config.ceiling) for curve in curves],
    )


def _fit_row(curve: FittedCurve, ceiling: float | None) -> dict[str, Cell]:
    p_star = _estimate(curve.fit.p_star, curve.fits.p_star, curve.positions)
    alpha = _estimate(curve.fit.alpha, curve.fits.alpha, curve.positions)
    at_bound = float(curve.fits.at_bound.mean())
    notes = [*_open_limit(curve.fit, p_star), *_doubts(alpha, at_bound)]
    if ceiling is not None and curve.fit.p_star > ceiling:
        notes.append(f"P*: above the known ceiling of {ceiling:.3f}.")
    error = _or_note(lambda: held_out_error(curve), "Error at the last point", notes)
    ahead = _or_note(lambda: _ahead(curve), f"At {AHEAD:g} times the cost", notes)
    return {
        "difficulty": curve.difficulty,
        "points": len(curve.cost),
        "positions": curve.positions,
        "a": curve.fit.A,
        "alpha": alpha,
        "p_star": p_star,
        "r2": None if np.isnan(curve.fit.r2) else curve.fit.r2,
        "error": error,
        "ahead": ahead,
        "at_bound": at_bound,
        "note": " ".join(notes) or None,
    }


def _open_limit(fit: PowerLaw, p_star: Estimate) -> Iterator[str]:
    """That P* is not determined: by the scatter of the points about the curve, or by the sample of documents."""
    if not fit.is_determined:
        yield f"P*: {fit.remark()}."
    elif p_star.low is not None and p_star.high is not None and p_star.high - p_star.low > WIDE:
        yield f"P*: other documents could give {p_star.low:.3f} to {p_star.high:.3f}: it is not determined."


def _doubts(alpha: Estimate, at_bound: float) -> Iterator[str]:
    """What the resamplings say against the curve, whatever the points themselves say."""
    if at_bound >= OFTEN_AT_BOUND:
        yield f"The points do not determine the curve in {at_bound:.0%} of the resamplings."
    if alpha.low is not None and alpha.high is not None and alpha.high > ALPHA_SPREAD * alpha.low:
        yield f"alpha: other documents could give {alpha.low:.2f} to {alpha.high:.2f}: it is not determined."


def _or_note(make: Callable[[], Estimate], what: str, notes: list[str]) -> Estimate | None:
    """What `make` gives; where it refuses, None, and the reason goes to the notes."""
    try:
        return make()
    except UserError as error:
        notes.append(f"{what}: {error}")
        return None


def _ahead(curve: FittedCurve) -> Estimate:
    at = [AHEAD * curve.cost.max()]
    value = float(extrapolate(curve.cost, curve.accuracy, at)[0])
    return _estimate(value, curve.fits.predict(at)[:, 0], curve.positions)


def _points(config: ScalingConfig, found: Evaluations, curves: list[FittedCurve]) -> ResultTable:
    label, kind, cost = _COSTS[config.x]
    return ResultTable(
        f"scaling_points_{slug(config.name)}",
        f"Points of the scaling curves: {config.name}",
        f"Accuracy in {config.mode} mode at the same held-out positions after each step. {cost} Intervals are 95 %, "
        "Wilson's, over positions.",
        [
            Column("difficulty", "Difficulty"),
            Column("step", "Step", "count"),
            Column("cost", label, kind),
            Column("accuracy", "Measured", "share"),
            Column("fit", "Fit", "share"),
        ],
        [
            {"difficulty": curve.difficulty, "step": step, "cost": float(at), "accuracy": accuracy, "fit": float(fit)}
            for curve in curves
            for step, at, accuracy, fit in zip(
                found.steps, curve.cost, _measured(curve), curve.fit.predict(curve.cost), strict=True
            )
        ],
        Chart("points", "cost", ("accuracy",), group="difficulty", y_title="Accuracy", x_log=True),
    )


def _measured(curve: FittedCurve) -> Iterator[Estimate]:
    for values in curve.correct.T:
        low, high = mean_interval(values.tolist(), curve.samples)
        yield Estimate(float(values.mean()), low, high, len(values))


def _bands(config: ScalingConfig, curves: list[FittedCurve]) -> ResultTable:
    label, kind, cost = _COSTS[config.x]
    return ResultTable(
        f"scaling_curve_{slug(config.name)}",
        f"Scaling curves: {config.name}",
        f"The fits with their bands. {cost} {_intervals(config)} A curve extends to {AHEAD:g} times the last cost "
        "if its points determine it, and otherwise ends at the last point.",
        [Column("difficulty", "Difficulty"), Column("cost", label, kind), Column("accuracy", "Fit", "share")],
        [*(row for curve in curves for row in _band_rows(curve)), *_ceiling_rows(config.ceiling, curves)],
        Chart("line", "cost", ("accuracy",), group="difficulty", y_title="Accuracy", x_log=True),
    )


def _band_rows(curve: FittedCurve) -> Iterator[dict[str, Cell]]:
    end = curve.cost[-1] * (1.0 if curve.fit.at_bound else AHEAD)
    at = np.geomspace(curve.cost[0], end, CURVE_POINTS)
    for cost, value, draws in zip(at, curve.fit.predict(at), curve.fits.predict(at).T, strict=True):
        accuracy = _estimate(float(value), draws, curve.positions)
        yield {"difficulty": curve.difficulty, "cost": float(cost), "accuracy": accuracy}


def _ceiling_rows(ceiling: float | None, curves: list[FittedCurve]) -> Iterator[dict[str, Cell]]:
    """A line at the known ceiling."""
    ends = [curve.cost for curve in curves] if ceiling is not None else []
    for cost in (min(c.min() for c in ends), AHEAD * max(c.max() for c in ends)) if ends else ():
        yield {"difficulty": "known ceiling", "cost": float(cost), "accuracy": ceiling}


def _intervals(config: ScalingConfig) -> str:
    return f"Intervals are 95 %, from {config.bootstrap} resamplings of the documents, the same ones at every step."


def _estimate(value: float, draws: Doubles, n: int) -> Estimate:
    """With the percentile interval of the draws; without one where they are all alike, which says nothing."""
    if np.ptp(draws) == 0:
        return Estimate(value, None, None, n)
    low, high = np.quantile(draws, [0.025, 0.975])
    return Estimate(value, float(low), float(high), n)
