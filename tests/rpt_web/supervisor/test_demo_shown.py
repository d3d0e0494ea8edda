"""What the demo shows: its line of progress and its table."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest

from rpt_web.runs.models import Run, Status
from rpt_web.supervisor.demo.progress import DemoProgress, Pace, clock_time, running_line
from rpt_web.supervisor.demo.report import table
from rpt_web.supervisor.demo.rows import ROWS


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


# options


def test_time_left_follows_from_the_pace_of_the_last_half_minute():
    pace = Pace()
    assert pace.seconds_left(0, 100) is None
    pace.note(0, 0)
    pace.note(100, 10)  # slow at first: 10 s a step
    assert pace.seconds_left(100, 20) == 100
    pace.note(110, 20)
    pace.note(131, 41)  # then 1 s a step
    assert pace.seconds_left(131, 100) == 59
    assert pace.seconds_left(141, 100) == 49
    assert pace.seconds_left(500, 100) == 0
    assert pace.seconds_left(131, None) is None
    pace.note(140, 5)  # another attempt begins at an earlier checkpoint
    assert pace.seconds_left(140, 100) is None


def test_a_line_of_progress_has_stage_step_time_left_and_what_is_done():
    run = Run(name="rpt", stage="rpt", status=Status.RUNNING, step=24, total_steps=80, progress="evaluating: greedy")
    assert running_line(run, 65.0) == "rpt (rpt): step 24/80, 1:05 left, evaluating: greedy"
    assert running_line(Run(name="base", stage="ntp", status=Status.RUNNING), None) == "base (ntp): starting"
    assert running_line(Run(name="base", stage="ntp"), None) == "base: waiting for the worker"


def test_progress_into_a_file_is_plain_lines_now_and_then():
    clock, out = Clock(), io.StringIO()
    progress = DemoProgress(out, 10, clock)
    run = Run(pk=1, name="rpt", stage="rpt", status=Status.RUNNING, step=0, total_steps=80)
    for step in range(0, 41):
        run.step = step
        progress.show([(5, run)])
        clock.now += 1
    run.status, run.started_at = Status.SUCCEEDED, datetime(2026, 1, 1, tzinfo=UTC)
    run.finished_at = run.started_at + timedelta(seconds=41)
    run.attempt, run.time_spent = 2, timedelta(seconds=50)  # the first one took 9 s
    progress.ended(run, 5)
    assert out.getvalue().splitlines() == [
        "[5/10] rpt (rpt): step 0/80",
        "[5/10] rpt (rpt): step 15/80, 1:05 left",
        "[5/10] rpt (rpt): step 30/80, 0:50 left",
        "[5/10] rpt: succeeded after 0:50",
    ]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (110, "[2/10] filter (filter): step 3/9, evaluating: greedy 4/12  [4/10] cold (sft): step 5/9, 0:04 left"),
        (80, "[2/10] filter (filter): step 3/9  [4/10] cold (sft): step 5/9, 0:04 left"),
        (70, "[2/10] filter: step 3/9  [4/10] cold: step 5/9, 0:04 left"),
        (50, "[2/10] filter: step 3/9  [4/10] cold: step 5/9"),
        (40, "[2/10] filter: step 3/9  [4/10] cold: …"),
    ],
)
def test_progress_on_a_terminal_is_one_line_about_all_running_runs_that_fits_it(monkeypatch, columns, line):
    monkeypatch.setenv("COLUMNS", str(columns))
    out, clock = Terminal(), Clock()
    first = Run(pk=1, name="filter", stage="filter", status=Status.RUNNING, step=3, total_steps=9)
    first.progress = "evaluating: greedy 4/12"
    second = Run(pk=2, name="cold", stage="sft", status=Status.RUNNING, step=4, total_steps=9)
    progress = DemoProgress(out, 10, clock)
    progress.show([(2, first), (4, second)])
    clock.now += 1
    second.step = 5
    out.truncate(0)
    out.seek(0)
    progress.show([(2, first), (4, second)])
    progress.say("A line that stays.")
    assert out.getvalue() == f"\r\x1b[K{line}\r\x1b[KA line that stays.\n"
    assert len(line) < columns


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (65, "1:05"), (3723, "1:02:03")])
def test_times_are_written_as_on_a_clock(seconds, text):
    assert clock_time(seconds) == text


# the closing table


def cell(value):
    return {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 30}


def test_the_table_shows_value_interval_and_n_and_a_dash_for_what_is_missing():
    row = {"easy": cell(0.5), "medium": None, "hard": cell(0.25)}
    modes = {"standard": row, "reasoning": row, "reasoning_greedy": row}
    lines = table(
        {
            "accuracy": dict.fromkeys(dict(ROWS), row),
            "baselines": dict.fromkeys(("ntp", "expert_responses"), modes),
            "flops": {"base": 2e12, "rpt": 5e11, "more-ntp": 5.01e11, "more-sft": 5e11, "expert-responses": 2.75e11},
            "probes": {"step": 0.995, "copy": None},
            "scaling": {
                "easy": None,
                "hard": {"A": -2.0, "alpha": 0.5, "p_star": 0.9, "r2": None, "remark": "P* is open"},
            },
            "seconds": {"base": 60.4, "rpt": None},
            "total_seconds": 61.2,
        }
    )
    assert lines[1].split() == ["easy", "medium", "hard"]
    shown = " ".join(lines[2].split())
    assert shown == "standard (argmax, no thinking) 50.0 [40.0, 60.0] n=30 - 25.0 [15.0, 35.0] n=30"
    assert not any("*" in line for line in lines[2:-2])
    assert [line.split("  ")[0] for line in lines[11:14]] == [
        "standard after expert iteration, same number of responses",
        "reasoning after expert iteration, same number of responses",
        "reasoning after expert iteration, same number of responses, greedy",
    ]
    assert len({len(line) for line in lines[1:14]}) == 1
    assert lines[14] == (
        "The baselines continue from the model before RPT. Their training FLOPs as a share of RPT's: continued NTP "
        "1.00, expert iteration 0.55 (same number of responses)."
    )
    assert lines[-3:] == [
        "Skills of the base model on held-out solutions: step 0.995",
        "Scaling, hard: P(C) = -2 / C^0.5 + 0.900, R2 = -; P* is open",
        "Seconds: base 60, rpt -; from the first start to the last end 61",
    ]


def test_a_cell_of_responses_without_boxes_is_marked():
    row = dict.fromkeys(("easy", "medium", "hard"), cell(0.5) | {"no_box": 0.5})
    lost = row | {"hard": cell(0.2) | {"no_box": 0.98}}
    report = {"accuracy": dict.fromkeys(dict(ROWS), row), "probes": {}, "scaling": {}, "seconds": {}, "flops": {}}
    baselines = {"ntp": {"standard": row, "reasoning": lost, "reasoning_greedy": row}}
    lines = table({**report, "baselines": baselines, "total_seconds": 1.0})
    marked = [line for line in lines if "*" in line]
    assert [line.split("  ")[0] for line in marked[:-1]] == ["reasoning after continued NTP, same FLOPs"]
    assert marked[0].count("*") == 1
    assert "20.0* [10.0, 30.0] n=30" in marked[0]
    assert marked[-1].startswith("* Most of these responses have no box: the format is lost")
