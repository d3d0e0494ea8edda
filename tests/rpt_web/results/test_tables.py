"""Result tables for people: each kind of cell, missing ones, units, charts with their intervals; hostile texts."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from plotly import graph_objects

from rpt_core.run.tables import Chart, Column, Estimate
from rpt_core.run.tables import ResultTable as Table
from rpt_web.results import tables
from rpt_web.results.models import ResultTable
from rpt_web.results.table_figures import table_figure
from rpt_web.runs.models import Run
from tests.played_tables import played_tables

STAGES = ("rlvr", "templates", "benchmark", "analyse")
ALL = [table for stage in STAGES for table in played_tables(stage)]
WITH_CHART = [table for table in ALL if table.chart]


def data_of(table):
    """What the recorder stores of a table."""
    return json.loads(json.dumps(asdict(table)))


def drawn(table):
    return table_figure("figure", table.title, data_of(table))


def by_name(name):
    return next(table for table in ALL if table.name == name)


@pytest.mark.parametrize(
    ("cell", "kind", "expected"),
    [
        (0.4511, "share", "45.1"),
        (-0.0123, "difference", "−1.2"),
        (0.02, "difference", "+2.0"),
        (1234567, "count", "1,234,567"),
        (0.0000123, "number", "1.2 × 10⁻⁵"),
        (-1.5, "number", "−1.5"),
        (0.0352, "seconds", "0.0352 s"),
        (192, "seconds", "3 min 12 s"),
        (28.4, "tokens", "28.4"),
        (999, "tokens", "999"),
        (999.9, "tokens", "1 k"),
        (12_340, "tokens", "12.3 k"),
        (2_048_000, "tokens", "2.05 M"),
        (3.2e9, "tokens", "3.2 B"),
        (1.5e13, "tokens", "15 T"),
        (0, "tokens", "0"),
        (2.48e11, "flops", "2.5 × 10¹¹"),
        (0, "share", "0.0"),
        ("n/a", "share", "n/a"),
        ("v0", "text", "v0"),
    ],
)
def test_each_kind_is_written_in_its_unit(cell, kind, expected):
    assert tables.write_cell(cell, kind).text == expected


@pytest.mark.parametrize("cell", [None, {"value": None, "low": None, "high": None, "n": 3}])
def test_what_is_missing_is_none_and_not_zero(cell):
    assert tables.write_cell(cell, "share").text is None


def test_an_estimate_keeps_its_interval_and_n():
    cell = tables.write_cell({"value": 0.5, "low": 0.431, "high": 0.569, "n": 1200}, "share")
    assert (cell.text, cell.interval, cell.n) == ("50.0", "[43.1, 56.9]", "1,200")
    cell = tables.write_cell({"value": 0.5, "low": None, "high": None, "n": None}, "share")
    assert (cell.text, cell.interval, cell.n) == ("50.0", "", "")


def test_an_interval_of_a_difference_has_signs():
    cell = tables.write_cell({"value": -0.01, "low": -0.03, "high": 0.01, "n": 700}, "difference")
    assert cell.interval == "[−3.0, +1.0]"


def test_a_head_names_the_unit_once():
    head = tables.head_of({"label": "accuracy", "kind": "share"})
    assert (head.unit, head.is_number) == ("%", True)
    assert tables.head_of({"label": "accuracy (%)", "kind": "share"}).unit == ""
    assert tables.head_of({"label": "model", "kind": "text"}).is_number is False


def test_rows_beyond_the_first_ones_are_marked():
    stored = ResultTable(pk=1, run=Run(pk=1), step=0, name="keywords", title="x", data=data_of(by_name("keywords")))
    view = tables.table_view(stored)
    assert [found.is_more for found in view.rows] == [False] * 50 + [True] * 70
    assert view.has_more


def test_subjects_are_parted_by_a_sign_in_the_table_and_its_figure_and_stay_as_stored():
    columns = [Column("domain", "Domain"), Column("truth", "Next token"), Column("accuracy", "Accuracy", "share")]
    rows = [{"domain": "Mathematics -> Algebra -> Integers", "truth": '"a -> b"', "accuracy": Estimate(0.5, 0, 1, 9)}]
    chart = Chart("bars", "domain", ("accuracy",))
    stored = ResultTable(pk=1, run=Run(pk=1), name="t", step=0, data=data_of(Table("t", "T", "", columns, rows, chart)))
    view = tables.table_view(stored)
    assert [cell.text for cell in view.rows[0].cells] == ["Mathematics › Algebra › Integers", '"a -> b"', "50.0"]
    assert view.figure.data[0]["x"] == ["Mathematics › Algebra › Integers"]
    assert stored.data["rows"][0]["domain"] == "Mathematics -> Algebra -> Integers"


@pytest.mark.parametrize("table", WITH_CHART, ids=lambda table: table.name)
def test_a_figure_is_valid_with_titled_axes_and_no_colours_of_its_own(table):
    figure = drawn(table)
    shown = graph_objects.Figure(json.loads(json.dumps({"data": figure.data, "layout": figure.layout})))
    assert shown.layout.xaxis.title.text
    assert shown.layout.yaxis.title.text
    written = json.dumps(figure.as_json()["data"])
    assert "rgb" not in written
    assert "#" not in written


def test_lines_have_a_band_from_the_intervals():
    band, line = drawn(by_name("frontier-rpt")).data
    assert (band["fill"], band["meta"]["band"]) == ("toself", True)
    cells = sorted(by_name("frontier-rpt").rows, key=lambda row: row["tokens"])
    assert line["x"] == [row["tokens"] for row in cells]
    assert band["y"][: len(cells)] == [row["accuracy"].high for row in cells]
    assert band["y"][len(cells) :] == [row["accuracy"].low for row in reversed(cells)]


def test_bars_have_error_bars_and_one_series_for_each_column():
    figure = drawn(by_name("templates"))
    assert [(trace["type"], trace["name"]) for trace in figure.data] == [("bar", "Random@1"), ("bar", "Pass@8")]
    first = by_name("templates").rows[0]["random"]
    assert figure.data[0]["error_y"]["array"][0] == pytest.approx(first.high - first.value)
    assert figure.data[0]["error_y"]["arrayminus"][0] == pytest.approx(first.value - first.low)
    assert figure.layout["barmode"] == "group"
    assert figure.layout["xaxis"]["type"] == "category"


def test_differences_are_drawn_in_points():
    figure = drawn(by_name("comparisons"))
    assert figure.layout["yaxis"]["title"]["text"] == "difference of accuracy (points)"
    assert figure.data[0]["y"] == pytest.approx([61, 61, 61])
    assert [trace["name"] for trace in figure.data] == [
        "after RPT against before, reasoning",
        "RPT against more SFT, reasoning",
    ]


def test_groups_that_are_difficulties_have_their_colours_and_compute_its_own_ticks():
    figure = drawn(by_name("scaling"))
    assert {trace["meta"]["colour"] for trace in figure.data} == {"easy", "medium", "hard"}
    assert figure.layout["xaxis"]["type"] == "log"
    assert "10¹¹" in figure.layout["xaxis"]["ticktext"]


def test_a_missing_value_stays_a_gap_and_nothing_at_all_makes_no_figure():
    data = data_of(by_name("templates"))
    data["rows"][1]["random"] = None
    assert table_figure("figure", "x", data).data[0]["y"][1] is None
    for row in data["rows"]:
        row["random"] = row["passed"] = None
    assert table_figure("figure", "x", data) is None
    assert table_figure("figure", "x", data | {"chart": None}) is None


def test_markup_in_names_does_not_reach_plotly():
    data = data_of(by_name("templates"))
    data["rows"][0]["template"] = '<a href="https://elsewhere.example">v0</a>'
    data["columns"][1]["label"] = "<b>Random</b>"
    figure = table_figure("figure", "x", data)
    assert figure.data[0]["name"] == "&lt;b&gt;Random&lt;/b&gt;"
    assert "<a href" not in json.dumps(figure.as_json())
