"""Plotly figures as plain dictionaries, without colours: charts.js takes those from the theme's CSS variables.

In: plain data from the queries. Out: `Figure`s. A trace's `meta` names its colour variable, for live charts the metric
that extends it, and perhaps where each of its points leads (`places`). Every figure has a title, a caption, and axes
with titles and units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rpt_core.config import DIFFICULTIES
from rpt_web.results.curves import Curve
from rpt_web.results.models import Evaluation
from rpt_web.results.queries import mode_label

Json = dict[str, Any]
CURVE_POINTS = 80
EVALUATION = "Evaluation"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Figure:
    """One chart. `data` and `layout` are Plotly's."""

    id: str
    title: str
    caption: str
    data: list[Json]
    layout: Json
    group: str = ""
    tall: bool = False
    ref: str = ""
    """What it is called as an exhibit, see `exhibits.refs`; empty for one without an address of its own."""
    place: str = ""
    """The address of what a point stands for, with {x} for where it is; a line's `meta` may add to its query."""

    def as_json(self) -> Json:
        """What the browser gets."""
        drawn = {"id": self.id, "title": self.title, "data": self.data, "layout": self.layout}
        return drawn | ({"place": self.place} if self.place else {})

    @property
    def leads_on(self) -> bool:
        """Whether its points lead anywhere."""
        return bool(self.place) or any("places" in trace.get("meta", {}) for trace in self.data)

    @property
    def all_places(self) -> str:
        """The address of what all its points stand for."""
        address, _, query = self.place.partition("?")
        return f"{address}?{'&'.join(part for part in query.split('&') if '{x}' not in part)}"


@dataclass(frozen=True)
class Axis:
    """An axis: its title with the unit, and how it is drawn."""

    title: str
    log: bool = False
    percent: bool = False
    integer: bool = False
    extra: Json = field(default_factory=dict)

    def as_json(self) -> Json:
        """Plotly's form of it."""
        axis: Json = {"title": {"text": plain(self.title)}, **self.extra}
        if self.log:
            axis |= {"type": "log", "hoverformat": ".2e"}
        if self.percent:
            axis |= {
                "tickformat": "~%",
                "hoverformat": ".3~p",
                "rangemode": "tozero",
            }  # digits that tell the ticks apart
        if self.integer:
            axis |= {"tickformat": ",d"}
        return axis


def layout(x: Axis, y: Axis, *, legend: bool = True) -> Json:
    """The layout that all charts share."""
    return {"xaxis": x.as_json(), "yaxis": y.as_json(), "showlegend": legend}


def line(name: str, colour: str, x: Sequence[Any], y: Sequence[Any], **more: Any) -> Json:
    """A line; gaps stay gaps."""
    meta = {"colour": colour, **more.pop("meta", {})}
    return {"type": "scatter", "mode": "lines", "name": plain(name), "x": list(x), "y": list(y), "meta": meta, **more}


def plain(text: str) -> str:
    """Text in which Plotly finds no markup: a stage's words may be hostile, and Plotly knows links and styles."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def accuracy_figure(found: dict[tuple[str, str], list[Evaluation]], mode: str) -> Figure | None:
    """Next-token accuracy over steps in one mode, one line for each difficulty with its 95 % interval."""
    traces = [
        _points_with_intervals(level, rows, [row.step for row in rows], meta={"query": f"difficulty={level}"})
        for level in DIFFICULTIES
        if (rows := found.get((mode, level)))
    ]
    if not traces:
        return None
    return Figure(
        id=f"accuracy-{mode}",
        title=f"Next-token accuracy, {mode_label(mode)}",
        caption="Held-out positions; bars are 95 % intervals.",
        data=traces,
        layout=layout(Axis("optimiser step", integer=True), Axis("accuracy", percent=True)),
        group=EVALUATION,
    )


def scaling_figure(curves: Sequence[Curve]) -> Figure | None:
    """Accuracy over training compute, each difficulty with its fitted power law."""
    traces: list[Json] = []
    for curve in curves:
        if not curve.points:
            continue
        trace = _points_with_intervals(curve.difficulty, curve.points, [row.flops for row in curve.points])
        traces.append(trace | {"mode": "markers"})
        if curve.fit is not None:
            traces.append(_fitted(curve))
    if not traces:
        return None
    return Figure(
        id="scaling",
        title="Reasoning accuracy over training compute",
        caption=_scaling_caption(curves),
        data=traces,
        layout=layout(
            Axis(
                "training compute C (FLOPs, log scale)",
                log=True,
                extra=log_ticks([row.flops for curve in curves for row in curve.points if row.flops]),
            ),
            Axis("accuracy P(C)", percent=True),
        ),
        tall=True,
    )


def _scaling_caption(curves: Sequence[Curve]) -> str:
    """What is drawn, and which fits the points do not determine."""
    words = "Points are evaluations with 95 % Wilson intervals; lines are the fits P(C) = A / C^α + P*."
    for curve in curves:
        if curve.fit is not None and not curve.fit.is_determined:
            words += f" Dotted, {curve.difficulty}: {curve.fit.remark()}."
    return words


def log_ticks(values: Sequence[float]) -> Json:
    """Ticks of a logarithmic axis over positive values, as text of our own: Plotly's raised exponents break the content
    security policy."""
    low, high = math.log10(min(values)), math.log10(max(values))
    steps = (1, 2, 5) if high - low < 2.5 else (1,)
    ticks = [step * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for step in steps]
    inside = [tick for tick in ticks if 10 ** (low - 0.15) <= tick <= 10 ** (high + 0.15)]
    return {"tickvals": inside, "ticktext": [power_text(tick) for tick in inside]}


def power_text(value: float) -> str:
    """2e10 as a multiple of a power of ten, the 1 before a bare power left out; 0.001 to 10,000 as they are."""
    if 1e-3 <= value < 1e5:
        return f"{value:,g}"
    mantissa, _, exponent = f"{value:.0e}".partition("e")
    raised = str(int(exponent)).translate(SUPERSCRIPTS)
    return f"10{raised}" if mantissa == "1" else f"{mantissa}×10{raised}"


def _points_with_intervals(difficulty: str, rows: Sequence[Evaluation], x: Sequence[Any], **more: Any) -> Json:
    above = [row.high - row.value for row in rows]
    below = [row.value - row.low for row in rows]
    return line(
        difficulty,
        difficulty,
        x,
        [row.value for row in rows],
        mode="lines+markers",
        **more,
        legendgroup=difficulty,
        error_y={"type": "data", "symmetric": False, "array": above, "arrayminus": below},
        customdata=[[row.low, row.high, row.n] for row in rows],
        hovertemplate="%{y:.1%} (%{customdata[0]:.1%} to %{customdata[1]:.1%}, n %{customdata[2]:,})",
    )


def _fitted(curve: Curve) -> Json:
    assert curve.fit is not None
    compute = [float(row.flops or 0) for row in curve.points]
    low, high = min(compute), max(compute)
    xs = [low * (high / low) ** (index / (CURVE_POINTS - 1)) for index in range(CURVE_POINTS)]
    ys = [float(value) for value in curve.fit.predict(xs)]
    return line(
        f"{curve.difficulty}, fit",
        curve.difficulty,
        xs,
        ys,
        legendgroup=curve.difficulty,
        showlegend=False,
        hoverinfo="skip",
        line={"width": 1.5} if curve.fit.is_determined else {"width": 1.5, "dash": "dot"},
        meta={"fit": True},
    )
