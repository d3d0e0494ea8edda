"""Plotly figures: valid, titled, with axes and captions; in the colours of the theme and not their own."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from plotly import graph_objects

from rpt_core.analysis.scaling import fit_power_law
from rpt_web.results import figures
from rpt_web.results.curves import Curve
from rpt_web.results.metric_figures import CHARTS, metric_figures
from rpt_web.runs.queries import MetricSeries

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def series(values, every=1):
    steps = list(range(1, len(next(iter(values.values()))) + 1))
    return MetricSeries(steps, [NOW] * len(steps), values, every)


def cell(value, flops, difficulty="hard"):
    return SimpleNamespace(value=value, low=value - 0.05, high=value + 0.05, n=400, flops=flops, difficulty=difficulty,
                           step=int(flops / 1e9))  # fmt: skip


def curve(values, difficulty="hard"):
    compute = [1e10 * 2**index for index in range(len(values))]
    points = [cell(value, flops, difficulty) for value, flops in zip(values, compute, strict=True)]
    fit = fit_power_law(compute, values) if len(values) >= 4 else None
    return Curve(difficulty, points, fit)


ALL = [
    *metric_figures(
        series({name: [0.1, None, 0.3] for chart in CHARTS for name in chart.metrics} | {"brand_new": [1, 2, 3]})
    ),
    figures.scaling_figure([curve([0.3, 0.5, 0.6, 0.65, 0.67]), curve([0.4, 0.5], "easy")]),
    figures.accuracy_figure({("sampled", "hard"): [cell(0.2, 0.0), cell(0.7, 5e9)]}, "sampled"),
]


@pytest.mark.parametrize("figure", ALL, ids=lambda figure: figure.id)
def test_a_figure_is_valid_and_says_what_it_shows(figure):
    drawn = graph_objects.Figure(json.loads(json.dumps({"data": figure.data, "layout": figure.layout})))
    assert drawn.layout.xaxis.title.text
    assert drawn.layout.yaxis.title.text
    assert figure.title
    assert figure.caption.endswith(".")
    assert figure.group or figure.id == "scaling"


@pytest.mark.parametrize("figure", ALL, ids=lambda figure: figure.id)
def test_a_figure_leaves_its_colours_to_the_theme(figure):
    written = json.dumps(figure.as_json())
    assert "rgb" not in written
    assert "#" not in written
    assert all(trace["meta"]["colour"] for trace in figure.data)


def test_each_metric_is_drawn_once_and_unknown_ones_get_a_chart_of_their_own():
    names = [trace["meta"]["metric"] for figure in ALL for trace in figure.data if "metric" in trace["meta"]]
    assert len(names) == len(set(names))
    assert "brand_new" in names
    assert metric_figures(series({"brand_new": [1.0]}))[0].title == "Brand new"


def test_a_gap_stays_a_gap():
    [figure] = metric_figures(series({"reward_mean": [0.1, None, 0.3]}))
    assert figure.data[0]["y"] == [0.1, None, 0.3]


def test_no_points_make_no_figures():
    assert metric_figures(MetricSeries([], [], {}, 1)) == []
    assert figures.scaling_figure([Curve("hard", [], None)]) is None
    assert figures.accuracy_figure({}, "greedy") is None


def test_thinned_charts_say_so():
    [figure] = metric_figures(series({"loss": [1.0, 2.0]}, every=7))
    assert figure.caption.endswith("Every 7th step is drawn.")


def test_the_fitted_line_runs_through_the_range_of_the_points():
    figure = figures.scaling_figure([curve([0.3, 0.5, 0.6, 0.65, 0.67])])
    line = figure.data[1]
    assert line["x"][0] == pytest.approx(1e10)
    assert line["x"][-1] == pytest.approx(1.6e11)
    assert line["y"][0] == pytest.approx(0.3, abs=0.02)


def test_ticks_of_compute_are_text_without_markup():
    ticks = figures.log_ticks([1e10, 2e10, 4e10, 8e10])
    assert ticks["ticktext"] == ["10¹⁰", "2×10¹⁰", "5×10¹⁰", "10¹¹"]
    assert ticks["tickvals"] == [1e10, 2e10, 5e10, 1e11]


def test_a_fit_that_its_points_leave_open_is_dotted_and_said_to_be():
    # Both are smooth, and the first has all but reached its limit.
    plain, open_ = curve([0.3, 0.6, 0.67, 0.69, 0.695]), curve([0.1, 0.2, 0.31, 0.4, 0.5], "easy")
    figure = figures.scaling_figure([plain, open_])
    dashes = [trace["line"].get("dash") for trace in figure.data if trace["meta"].get("fit")]
    assert dashes == [None, "dot"]
    assert "Dotted, easy: the points do not determine this curve: " in figure.caption
    assert "hard" not in figure.caption
