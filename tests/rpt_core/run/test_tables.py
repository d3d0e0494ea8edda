"""Result tables as files and events: complete rows, charts of columns that are there, missing values as null."""

from __future__ import annotations

import json

import pytest

from rpt_core.run.events import EventLog, read_events
from rpt_core.run.folder import RunDir
from rpt_core.run.tables import MAX_ROWS, Chart, Column, Estimate, ResultTable, emit_table


@pytest.fixture
def run(tmp_path):
    return RunDir(tmp_path)


@pytest.fixture
def log(run):
    with EventLog(run.events) as log:
        yield log


def table(**more):
    columns = (Column("mode", "mode"), Column("accuracy", "accuracy", "share"))
    rows = (
        {"mode": "standard", "accuracy": Estimate(0.5, float("nan"), 0.6, 10)},
        {"mode": "greedy", "accuracy": None},
    )
    values = {"name": "modes", "title": "Modes", "caption": "n 10.", "columns": columns, "rows": rows} | more
    return ResultTable(**values)


def test_the_event_says_what_the_file_says(run, log):
    emit_table(run, log, table(chart=Chart("bars", x="mode", y=("accuracy",)), step=3))
    [event] = read_events(run.events)
    written = json.loads((run.path / event.data["path"]).read_text())
    assert written == {name: value for name, value in event.data.items() if name != "path"}
    assert written["rows"] == [
        {"mode": "standard", "accuracy": {"value": 0.5, "low": None, "high": 0.6, "n": 10}},
        {"mode": "greedy", "accuracy": None},
    ]
    assert (written["step"], written["chart"]["y"]) == (3, ["accuracy"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"rows": ({"mode": "standard"},)},
        {"chart": Chart("bars", x="modes", y=("accuracy",))},
        {"chart": Chart("bars", x="mode", y=("accuracy", "tokens"))},
        {"chart": Chart("bars", x="mode", y=("accuracy",), group="seed")},
    ],
)
def test_rows_and_charts_must_fit_the_columns(run, log, wrong):
    with pytest.raises(KeyError):
        emit_table(run, log, table(**wrong))
    assert list(read_events(run.events)) == []


def test_a_table_is_for_people(run, log):
    rows = [{"mode": str(number), "accuracy": None} for number in range(MAX_ROWS + 1)]
    with pytest.raises(ValueError, match="at most 2000 are allowed"):
        emit_table(run, log, table(rows=rows))
