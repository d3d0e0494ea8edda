"""Curves of the basket's runs over each other: any metric by step, tokens, FLOPs or hours.

In: the basket's entries, and what an address or a ref asks for. Out: figures. The same run has the same colour on every
one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from rpt_core.config import DIFFICULTIES
from rpt_web.compare import curves as data
from rpt_web.compare.curves import RunCurve
from rpt_web.compare.placed import PlacedEntry
from rpt_web.results.figures import Axis, Figure, Json, layout, line
from rpt_web.results.metric_figures import CHARTS
from rpt_web.results.queries import mode_label
from rpt_web.runs.seed_groups import seed_groups
from rpt_web.text import spaced

AXES = {
    "step": Axis("optimiser step", integer=True),
    "tokens": Axis("tokens processed (millions)"),
    "flops": Axis("training compute (FLOPs)", extra={"exponentformat": "power"}),
    "hours": Axis("hours since the first numbers, pauses included"),
}
SMOOTHING = {"0": "not at all", "0.6": "a little", "0.9": "much", "0.97": "very much"}
USUAL = ("reward_mean", "accuracy/sampled/hard", "accuracy/standard/hard", "loss", "response_tokens_mean")
FLAGS, USUAL_CHOICE = ("by_seed", "minus", "log_x", "log_y"), {"x": "step", "smooth": "0"}
SHOWN_AT_FIRST, LINES_WITH_LEGEND, LINES_TOLD_TOGETHER, NAMED = 4, 12, 8, 5
Points = tuple[list[float], list[float], list[int]]
"""x, y, and the step of each."""


@dataclass(frozen=True)
class AskedCurves:
    """What the address asks for; what does not fit is taken as not asked."""

    metric: str
    x: str
    smooth: str
    by_seed: bool
    minus: bool
    log_x: bool
    log_y: bool

    @classmethod
    def of(cls, values: Mapping[str, str], names: Sequence[str], runs: int) -> AskedCurves:
        """From the query of an address or a ref."""
        metric, x, smooth = values.get("metric", ""), values.get("x", ""), values.get("smooth", "")
        flags = {name: values.get(name) == "1" for name in ("log_x", "log_y", "by_seed")}
        return cls(
            metric if metric in names else "",
            x if x in AXES else "step",
            smooth if smooth in SMOOTHING else "0",
            minus=values.get("minus") == "1" and runs == 2,
            **flags,
        )

    def query(self, metric: str) -> str:
        """The same of one metric, as a ref writes it."""
        said = {"metric": metric, "x": self.x, "smooth": self.smooth}
        said |= {name: "1" for name in FLAGS if getattr(self, name)}
        return urlencode({name: value for name, value in said.items() if value != USUAL_CHOICE.get(name)}, safe="/@")


@dataclass(frozen=True)
class CurvesOfBasket:
    """What is drawn, and what could be."""

    asked: AskedCurves
    counts: dict[str, int]
    """Metrics and accuracies by name, each with how many runs have it."""
    names: Sequence[str]
    """The same in the order in which they are offered."""
    figures: Sequence[tuple[str, Figure]]
    """Each with the name of its metric."""


def curves_of_basket(
    entries: Sequence[PlacedEntry], values: Mapping[str, str], with_responses: frozenset[int] = frozenset()
) -> CurvesOfBasket:
    """The figures that an address or a ref asks for (4 queries); points of `with_responses` lead to their responses."""
    runs = list(dict.fromkeys(shown.run.pk for shown in entries))
    counts = data.metric_names(runs)
    names = sorted(counts, key=lambda name: (not data.is_accuracy(name), metric_title(name)))
    asked = AskedCurves.of(values, names, len(entries))
    chosen = [asked.metric] if asked.metric else _usual(counts)
    found = data.run_curves(runs, [name for name in chosen if not data.is_accuracy(name)], len(entries))
    drawn = _Drawn(asked, entries, found, with_responses)
    figures = [(name, figure) for name in chosen if (figure := drawn.figure(name)) is not None]
    return CurvesOfBasket(asked, counts, names, figures)


def usual_axis(entries: Sequence[PlacedEntry]) -> str:
    """The axis that a page shows unless asked: a step of one method is not one of another, but compute is. What an
    evaluation evaluates may be of any."""
    stages = {shown.run.stage for shown in entries}
    return "flops" if len(stages) > 1 or (len(entries) > 1 and "evaluate" in stages) else "step"


def metric_title(name: str) -> str:
    """A metric in words."""
    if data.is_accuracy(name):
        _, mode, difficulty = name.split("/", 2)
        return f"Accuracy, {mode_label(mode)}, {difficulty}"
    for chart in CHARTS:
        if name in chart.metrics:
            return chart.title if len(chart.metrics) == 1 else f"{chart.title}: {chart.metrics[name]}"
    return spaced(name).replace("/", ", ").capitalize()


@dataclass(frozen=True)
class _Drawn:
    """Makes the figures of one page."""

    asked: AskedCurves
    entries: Sequence[PlacedEntry]
    curves: dict[int, RunCurve]
    with_responses: frozenset[int]

    def figure(self, name: str) -> Figure | None:
        """One chart; None where no run has a point."""
        curves = self._curves_of(name)
        points = self._points(curves, name)
        traces = self._difference(points) if self.asked.minus else self._traces(points)
        if not traces:
            return None
        lines = sum(trace.get("showlegend") is not False for trace in traces)
        drawn = layout(
            replace(AXES[self.asked.x], log=self.asked.log_x), self._y(name), legend=lines <= LINES_WITH_LEGEND
        )
        drawn["hovermode"] = "x unified" if lines <= LINES_TOLD_TOGETHER else "closest"
        return Figure(
            f"compared-{name.replace('/', '-')}",
            metric_title(name),
            " ".join([self._caption(name, lines), *self._not_drawn(curves, points, name)]),
            traces,
            drawn,
            tall=bool(self.asked.metric),
        )

    def _y(self, name: str) -> Axis:
        known = next((chart.y for chart in CHARTS if name in chart.metrics), None)
        axis = Axis("accuracy", percent=True) if data.is_accuracy(name) else known or Axis(spaced(name))
        axis = replace(axis, title=f"difference of {axis.title}") if self.asked.minus else axis
        return replace(axis, log=self.asked.log_y, extra={} if self.asked.log_y or self.asked.minus else axis.extra)

    def _caption(self, name: str, lines: int) -> str:
        parts = []
        if self.asked.minus:
            first, second = self.entries
            parts.append(f"{second.label} minus {first.label}, on straight lines between their points.")
        elif self.asked.by_seed:
            parts.append("The mean of each group of seeds; its band reaches from the lowest seed to the highest.")
        if data.is_accuracy(name):
            parts.append("Held-out positions; the curve is one trained model each, so its noise is not shown here.")
        if self.asked.smooth != "0":
            parts.append(f"Smoothed, each point keeping {self.asked.smooth} of the mean before; raw lines behind.")
        if self.asked.x == "tokens":
            parts.append("Tokens are speed times seconds of a step, summed up.")
        if lines > LINES_WITH_LEGEND:
            parts.append("The list above says which colour and stroke is which run.")
        return " ".join(parts) or "One line for each run, thinned to what a chart can show."

    def _not_drawn(self, curves: Mapping[int, RunCurve], points: dict[int, Points], name: str) -> list[str]:
        """Entries that have numbers but no place on the axis, in words; nothing where there are none."""
        lost = [
            shown.label
            for shown in self.entries
            if shown.place not in points and shown.run.pk in curves
            and any(value is not None for value in curves[shown.run.pk].values[name])
        ]  # fmt: skip
        more = f" and {len(lost) - NAMED} more" if len(lost) > NAMED else ""
        axis = AXES[self.asked.x].title
        return [f"Without a place by {axis}, so not drawn: {'; '.join(lost[:NAMED])}{more}."] if lost else []

    def _curves_of(self, name: str) -> Mapping[int, RunCurve]:
        """By run."""
        if data.is_accuracy(name):
            rows = data.accuracies([shown.run.pk for shown in self.entries], name)
            return {
                run: RunCurve([row.step for row in found], [], [row.flops for row in found],
                              defaultdict(list, {name: [row.value for row in found]}))
                for run, found in rows.items()
            }  # fmt: skip
        return self.curves

    def _points(self, curves: Mapping[int, RunCurve], name: str) -> dict[int, Points]:
        """By the entry's place."""
        found = {
            shown.place: self._placed(curves[shown.run.pk], name, shown)
            for shown in self.entries
            if shown.run.pk in curves
        }
        return {place: points for place, points in found.items() if points[0]}

    def _placed(self, curve: RunCurve, name: str, shown: PlacedEntry) -> Points:
        """Points with a value and a place on the axis, to the entry's step; accuracies are known by step and FLOPs."""
        axis = self._axis(curve, shown)
        last = shown.entry.step
        rows = [
            (float(x), float(y), step)
            for x, y, step in zip(axis, curve.values[name], curve.steps, strict=True)
            if x is not None and y is not None and (last is None or step <= last) and not (self.asked.log_x and x <= 0)
        ]
        return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]

    def _axis(self, curve: RunCurve, shown: PlacedEntry) -> Sequence[float | None]:
        if self.asked.x == "step":
            return curve.steps
        if self.asked.x == "flops":
            return curve.flops
        if not curve.times:
            return self._at(shown, curve.steps, self.asked.x)
        return curve.hours if self.asked.x == "hours" else curve.tokens

    def _at(self, shown: PlacedEntry, steps: Sequence[int], axis: str) -> Sequence[float | None]:
        """Where evaluated steps lie on an axis that only metrics tell."""
        curve = self.curves.get(shown.run.pk)
        if curve is None:
            return [None] * len(steps)
        pairs = [(s, x) for s, x in zip(curve.steps, getattr(curve, axis), strict=True) if x is not None]
        return data.interpolated([float(s) for s, _ in pairs], [x for _, x in pairs], [float(s) for s in steps])

    def _traces(self, points: dict[int, Points]) -> list[Json]:
        if self.asked.by_seed:
            return self._grouped(points)
        return [trace for shown in self.entries if shown.place in points for trace in self._lines(shown, points)]

    def _lines(self, shown: PlacedEntry, points: dict[int, Points]) -> list[Json]:
        """A run's line, with the raw one behind it where it is smoothed."""
        x, y, steps = points[shown.place]
        leads = shown.run.pk in self.with_responses
        meta: Json = {"query": f"run={shown.run.pk}"} if leads else {"is_deaf": True}
        more: Json = {
            "customdata": steps,
            "line": {"dash": shown.dash},
            "mode": "lines+markers" if len(x) < 40 else "lines",
        }
        if self.asked.smooth == "0":
            return [line(shown.label, shown.colour, x, y, meta=meta, **more)]
        soft = data.smoothed(y, float(self.asked.smooth))
        raw = line(
            shown.label, shown.colour, x, y, meta={"raw": True, "is_deaf": True}, showlegend=False, hoverinfo="skip"
        )
        return [raw, line(shown.label, shown.colour, x, soft, meta=meta, **{**more, "mode": "lines"})]

    def _grouped(self, points: dict[int, Points]) -> list[Json]:
        """Each group of seeds as its mean with a band."""
        traces = []
        for title, places in seed_groups([shown.run for shown in self.entries]):
            own = [points[place] for place in places if place in points]
            if not own:
                continue
            shown = self.entries[places[0]]
            grid = max(own, key=lambda found: len(found[0]))[0]
            columns = [data.interpolated(x, y, grid) for x, y, _ in own]
            rows = [[value for value in row if value is not None] for row in zip(*columns, strict=True)]
            means = data.smoothed([sum(row) / len(row) if row else None for row in rows], float(self.asked.smooth))
            if len(own) > 1:
                low, high = [min(row, default=None) for row in rows], [max(row, default=None) for row in rows]
                band = {"meta": {"band": True}, "showlegend": False, "hoverinfo": "skip"}
                traces += [
                    line(title, shown.colour, grid, low, **band),
                    line(title, shown.colour, grid, high, fill="tonexty", **band),
                ]
            words = f"{title}, {len(own)} seeds" if len(own) > 1 else title
            traces.append(line(words, shown.colour, grid, means, line={"dash": shown.dash}))
        return traces

    def _difference(self, points: dict[int, Points]) -> list[Json]:
        if len(points) != 2:
            return []
        (x, y, _), (other_x, other_y, _) = points[0], points[1]
        base = data.interpolated(x, y, other_x)
        gaps = [None if a is None else b - a for a, b in zip(base, other_y, strict=True)]
        second = self.entries[1]
        return [line("difference", second.colour, other_x, data.smoothed(gaps, float(self.asked.smooth)))]


def _usual(counts: dict[str, int]) -> list[str]:
    """What is drawn when nothing is asked for: the usual ones, or else what most runs have."""
    known = [name for name in USUAL if name in counts]
    most = sorted((name for name in counts if name not in known), key=lambda name: (_rank(name), -counts[name], name))
    return [*known, *most][:SHOWN_AT_FIRST]


def _rank(name: str) -> int:
    """Accuracies on hard positions before metrics, and these before other accuracies, which say much the same."""
    if not data.is_accuracy(name):
        return 1
    return 0 if name.endswith(f"/{DIFFICULTIES[-1]}") else 2
