"""Figures of a filter run's split: how its entropies lie, and what they mean for the highest probability."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rpt_core.analysis.entropy_curve import largest_probability
from rpt_core.config import PAPER_NATS
from rpt_web.corpora.models import ScoredSplit
from rpt_web.results.figures import Axis, Figure, Json, layout, line
from rpt_web.runs.models import Run

BIN_NATS = 0.05
CURVE_POINTS = 120
LEAST_NATS = 3.0
"""The axis of a curve goes so far at least, so that the paper's levels have room."""


def top_k_of(run: Run) -> int:
    """Over how many tokens a filter run takes the entropy."""
    return int(run.config.get("top_k", 16))


def split_figures(split: ScoredSplit, top_k: int, vocabulary: int) -> list[Figure]:
    """Both figures; none for a run that stored no summary."""
    if not split.summary.get("counts"):
        return []
    return [_histogram(split), _curve(split, top_k, vocabulary)]


def _histogram(split: ScoredSplit) -> Figure:
    fine, width = split.summary["counts"], split.summary["bin_nats"]
    together = round(BIN_NATS / width)
    counts = [sum(fine[start : start + together]) for start in range(0, len(fine), together)]
    centres = [round((number + 0.5) * BIN_NATS, 4) for number in range(len(counts))]
    edges = [0.0, *PAPER_NATS.values(), math.inf]
    names, colours = ["below easy", *PAPER_NATS], ["series-6", *PAPER_NATS]
    traces: list[Json] = []
    for name, colour, low, high in zip(names, colours, edges[:-1], edges[1:], strict=True):
        inside = [index for index, centre in enumerate(centres) if low <= centre < high]
        if inside:
            y = [counts[index] for index in inside]
            trace = line(name, colour, [centres[index] for index in inside], y, hovertemplate="%{y:,}")
            traces.append(trace | {"type": "bar", "width": BIN_NATS * 0.9})
    for trace in traces:
        del trace["mode"]
    x, y_axis = Axis("entropy of the proxy model (nats)"), Axis("positions", extra={"rangemode": "tozero"})
    return Figure(
        id="entropy-histogram",
        title=f"Entropy at the positions, {split.split}",
        caption=f"All {split.positions:,} positions of the split, in bins of {BIN_NATS} nats. A difficulty holds those "
        "to its right, too: the levels are nested.",
        data=traces,
        layout=layout(x, y_axis),
        tall=True,
    )


def _curve(split: ScoredSplit, top_k: int, vocabulary: int) -> Figure:
    points: list[list[float]] = split.summary["points"]
    traces = [
        _limit(f"at most, {vocabulary:,} tokens", "series-1", vocabulary, points),
        _limit(f"at most, the top {top_k}", "series-2", top_k, points),
    ]
    if points:
        shown = line("positions of the corpus", "series-3", *zip(*points, strict=True), mode="markers")
        traces.append(shown | {"marker": {"size": 4, "opacity": 0.5}})
    return Figure(
        id="entropy-probability",
        title=f"Entropy and the highest probability, {split.split}",
        caption=_caption(len(points), top_k, vocabulary),
        data=traces,
        layout=layout(Axis("entropy (nats)"), Axis("highest probability", percent=True)),
        tall=True,
    )


def _caption(points: int, top_k: int, vocabulary: int) -> str:
    words = (
        "Lines: the most that one token can have at an entropy, when all others share the rest equally. Entropy is "
        f"taken over the {top_k} most probable tokens, the probability over the whole vocabulary."
    )
    if not points:
        return f"{words} This run did not store the highest probabilities; a new one does."
    return f"{words} Points: {points:,} positions, evenly spaced over the split."


def _limit(name: str, colour: str, tokens: int, points: Sequence[Sequence[float]]) -> Json:
    highest = min(math.log(tokens), max([LEAST_NATS, *(nats for nats, _ in points)]))
    xs = np.linspace(0, highest, CURVE_POINTS)
    return line(name, colour, [round(float(x), 4) for x in xs], largest_probability(xs, tokens).round(5).tolist())
