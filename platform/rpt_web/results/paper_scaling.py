"""Accuracy over training compute of several runs in one figure, with the power laws that workers have fitted.

In: RPT runs of any experiments. Out: a line of a table for each run and difficulty, and one `Figure`. A fit that the
points do not determine is dotted and never called a limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rpt_core.analysis.scaling import PowerLaw
from rpt_core.config import DIFFICULTIES
from rpt_core.run.tables import Estimate
from rpt_core.statistics.seeds import SHARES, across_seeds
from rpt_web.results.curves import Curve, stored_curves
from rpt_web.results.figures import CURVE_POINTS, Axis, Figure, layout, line, log_ticks
from rpt_web.runs.models import Experiment, Run
from rpt_web.runs.seed_groups import seed_groups

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")
MOST_RUNS = 12
FITS_COVER = (
    "P* of one run has its 95\u00a0% profile interval, which covers the points of its curve; a mean over seeds has "
    "Student's t interval over the seeds, which covers the noise of training. Three parameters on few points inflate "
    "R²."
)


@dataclass(frozen=True)
class ScalingLine:
    """One curve of one run."""

    run: Run
    label: str
    curve: Curve

    @property
    def fit(self) -> PowerLaw | None:
        """None where there is no curve."""
        return self.curve.fit


@dataclass(frozen=True)
class ScalingMean:
    """The fits of runs that differ in their seed alone, at one difficulty."""

    label: str
    difficulty: str
    alpha: Estimate
    p_star: Estimate
    """Student's t over the seeds."""
    left_out: int
    """Seeds whose points do not determine a curve."""

    @property
    def cells(self) -> list[tuple[Estimate, int]]:
        """Each number in the unit of its column, with how many digits it has."""
        low, high = (None if value is None else 100 * value for value in (self.p_star.low, self.p_star.high))
        return [(self.alpha, 2), (Estimate(100 * self.p_star.value, low, high, self.p_star.n), 1)]


def scaling_means(lines: Sequence[ScalingLine]) -> list[ScalingMean]:
    """The means of the fits that their points determine, for each group of seeds that has two or more of them."""
    runs = {line.run.pk: line.run for line in lines}
    several = len({run.experiment_id for run in runs.values()}) > 1
    groups = [
        (title, [list(runs.values())[place] for place in places]) for title, places in seed_groups([*runs.values()])
    ]
    means = []
    for title, members in groups:
        name = f"{members[0].experiment.name}: {title}" if several else title
        for level in DIFFICULTIES:
            own = [found for found in lines if found.run in members and found.curve.difficulty == level]
            means += _mean_fit(name, level, own)
    return means


def _mean_fit(name: str, level: str, own: Sequence[ScalingLine]) -> list[ScalingMean]:
    fits = [found.fit for found in own if found.fit is not None and found.fit.is_determined]
    alpha = across_seeds([fit.alpha for fit in fits])
    p_star = across_seeds([fit.p_star for fit in fits], SHARES)
    if len(fits) < 2 or alpha is None or p_star is None:
        return []
    return [ScalingMean(f"{name}, mean of {len(fits)} seeds", level, alpha, p_star, len(own) - len(fits))]


def scaling_lines(runs: Sequence[tuple[Run, str]]) -> list[ScalingLine]:
    """The curves of runs, each with what it is called (2 queries for each run); those without points are left out."""
    return [
        ScalingLine(run, label, curve)
        for run, label in runs[:MOST_RUNS]
        for curve in stored_curves(run)
        if curve.points
    ]


def scaling_of_experiments(chosen: Sequence[Experiment]) -> tuple[list[ScalingLine], list[Run]]:
    """The curves of the evaluated RPT runs of experiments, and these runs."""
    trained = list(Run.objects.filter(experiment__in=chosen, stage="rpt", evaluations__isnull=False).distinct())
    several = len(chosen) > 1
    for run in trained:
        run.experiment = next(found for found in chosen if found.pk == run.experiment_id)
    named = [(run, f"{run.experiment.name}: {run.name}" if several else run.name) for run in trained]
    return scaling_lines(sorted(named, key=lambda pair: pair[0].pk)), trained


def scaling_of_runs(lines: Sequence[ScalingLine]) -> Figure | None:
    """All curves in one figure: colours are difficulties, symbols are runs."""
    if not lines:
        return None
    places = {label: number for number, label in enumerate(dict.fromkeys(line.label for line in lines))}
    compute = [float(row.flops or 0) for found in lines for row in found.curve.points]
    traces = [trace for found in lines for trace in _traces(found, SYMBOLS[places[found.label] % len(SYMBOLS)])]
    return Figure(
        id="scaling-of-runs",
        title="Reasoning accuracy over training compute",
        caption="Points are evaluations with 95 % Wilson intervals over positions; lines are the fits, dotted where "
        "the points do not determine them. Each curve is one trained model.",
        data=traces,
        layout=layout(
            Axis("training compute C (FLOPs, log scale)", log=True, extra=log_ticks(compute)),
            Axis("accuracy P(C)", percent=True),
        ),
        tall=True,
    )


def _traces(found: ScalingLine, symbol: str) -> list[dict[str, Any]]:
    rows, level = found.curve.points, found.curve.difficulty
    name = f"{level}, {found.label}"
    x = [float(row.flops or 0) for row in rows]
    above, below = [row.high - row.value for row in rows], [row.value - row.low for row in rows]
    points = line(
        name,
        level,
        x,
        [row.value for row in rows],
        mode="markers",
        legendgroup=name,
        marker={"symbol": symbol, "size": 8},
        error_y={"type": "data", "symmetric": False, "array": above, "arrayminus": below},
        customdata=[[row.low, row.high, row.n] for row in rows],
        hovertemplate="%{y:.1%} (%{customdata[0]:.1%} to %{customdata[1]:.1%}, n %{customdata[2]:,})",
    )
    if found.fit is None:
        return [points]
    low, high = min(x), max(x)
    xs = [low * (high / low) ** (index / (CURVE_POINTS - 1)) for index in range(CURVE_POINTS)]
    ys = [float(value) for value in found.fit.predict(xs)]
    dash = {} if found.fit.is_determined else {"dash": "dot"}
    more = {"legendgroup": name, "showlegend": False, "hoverinfo": "skip", "line": {"width": 1.5, **dash}}
    return [points, line(name, level, xs, ys, meta={"fit": True}, **more)]
