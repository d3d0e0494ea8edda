"""What a stage and a suite show of their progress: to a pipe line by line, on a terminal one line that moves."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

from rpt_core.config import STAGES
from rpt_core.errors import UserError
from rpt_core.run.events import EventType
from rpt_core.run.folder import RunDir
from rpt_core.run.progress import Progress, SuiteProgress
from rpt_core.run.terminal import EVERY_SECONDS, interval
from tests.rpt_core import stages

pytestmark = pytest.mark.slow  # processes of their own

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_the_time_left_follows_from_the_pace_since_the_start():
    clock = Clock()
    progress = Progress(clock)
    assert progress.line() == "starting, 0.0 s so far, time left not known yet"
    clock.now = 10.0  # reading a model
    progress.hear(EventType.STARTED, {"start_step": 100, "total_steps": 400})
    clock.now = 130.0
    progress.note(200)
    assert progress.seconds_left() == pytest.approx(240.0)
    progress.hear(EventType.METRICS, {"step": 200, "values": {"loss": 2.34567, "nothing": None}})
    clock.now = 160.0
    assert progress.line() == "step 200 of 400: loss 2.346, 2 min 40 s so far, about 4 min left"
    assert progress.seconds_left() == pytest.approx(210.0)


def test_where_steps_do_not_tell_the_share_does():
    clock = Clock()
    progress = Progress(clock)
    progress.hear(EventType.STARTED, {"start_step": 0, "total_steps": None})
    assert progress.seconds_left() is None
    clock.now = 60.0
    progress.note(7, share=0.25)
    assert progress.line() == "step 7, 1 min 00 s so far, about 3 min left"


def test_a_round_that_begins_again_has_its_own_pace():
    clock = Clock()
    progress = Progress(clock)
    progress.note(0, share=0.0)
    clock.now = 1.0
    progress.note(0, share=1.0)
    clock.now = 2.0
    progress.note(0, share=0.0)
    clock.now = 102.0
    progress.note(0, share=0.5)
    assert progress.seconds_left() == pytest.approx(100.0)


def test_an_event_between_two_shares_starts_no_round(tmp_path):
    clock = Clock()
    progress = Progress(clock)
    progress.hear(EventType.STARTED, {"start_step": 0, "total_steps": None})
    for seconds, share in ((30.0, 0.25), (60.0, 0.5)):
        clock.now = seconds
        progress.note(300, share=share)
        progress.hear(EventType.PROGRESS, {"step": 300, "total_steps": None, "what": "evaluating: sampled"})
    assert progress.line() == "evaluating: sampled, step 300, 1 min 00 s so far, about 1 min left"


def test_a_suite_counts_its_runs_and_estimates_by_stage():
    suite = SuiteProgress({"a": "ntp", "b": "ntp", "c": "rpt", "d": "rpt"}, jobs=1)
    assert suite.line({}) == "suite: 0 of 4 runs done, its time left is not known yet"
    suite.over("a", 120.0)
    assert suite.line({"b": (20.0, None)}) == "suite: 1 of 4 runs done, about 6 min left"  # 100 + 120 + 120
    suite.over("b", 120.0)
    suite.over("c", 600.0)
    assert suite.line({"d": (60.0, 300.0)}) == "suite: 3 of 4 runs done, about 5 min left"


@pytest.mark.parametrize("text", ["", "often", "0", "-1", "nan", "1e9"])
def test_an_interval_that_is_none_is_refused(monkeypatch, text):
    monkeypatch.setenv(EVERY_SECONDS, text)
    with pytest.raises(UserError, match="Give seconds between"):
        interval()


def often():
    return os.environ | {EVERY_SECONDS: "0.05", "COLUMNS": "80"}


def ntp(folder, **changes):
    """A training whose metrics come only at its end: between them nothing but the line tells how far it is."""
    values = {"corpus": {"source": "tiny", "tiny_documents": 60}, "scratch": stages.SCRATCH, "budget": {"steps": 150}}
    RunDir(folder).create(STAGES["ntp"].model_validate(values | {"log_every_steps": 150} | changes))
    return [sys.executable, "-m", "rpt_core", "ntp", str(folder)]


def test_a_pipe_gets_whole_lines_with_step_total_and_time_left(tmp_path):
    done = subprocess.run(ntp(tmp_path / "run"), capture_output=True, text=True, env=often())
    assert done.returncode == 0, done.stderr
    assert not CONTROL.search(done.stderr + done.stdout)
    lines = done.stderr.splitlines()
    found = [
        re.fullmatch(r"ntp: step (\d+) of 150, .* so far, (less than a minute|about .*) left", line) for line in lines
    ]
    steps = [int(match[1]) for match in found if match]
    assert len(set(steps)) > 2, done.stderr
    assert steps == sorted(steps)


def in_terminal(command, env, *, out=False):
    """What a command shows on a terminal, and its exit code."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, stdout=theirs if out else subprocess.PIPE, stderr=theirs, env=env)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 10_000):
            shown += part
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    return shown.decode(), process.wait()


def test_on_a_terminal_the_line_moves_between_the_metrics_and_is_cleared_at_the_end(tmp_path, warm):
    shown, code = in_terminal(ntp(tmp_path / "run"), often())
    assert code == 0
    steps = [int(step) for step in re.findall(r"\rntp: step (\d+) of 150", shown)]
    assert len(set(steps)) > 1, shown
    assert "\n" not in shown.rstrip("\r\n ")
    assert re.search(r"\r +\r$", shown), "the line is cleared"
    assert all(len(part) < 80 for part in shown.split("\r"))


PLAN = """
description: d
runs:
  - name: a
    stage: ntp
    title: A
    config: &config
      corpus: {source: tiny, tiny_documents: 60}
      scratch: {layers: 1, vocab_size: 280, hidden_size: 32, intermediate_size: 32}
      budget: {steps: 60}
      log_every_steps: 60
  - name: b
    stage: ntp
    title: B
    config: {<<: *config, scratch: null, model: {path: "@a/checkpoint"}}
"""


@pytest.mark.slow
def test_a_suite_in_a_pipe_says_which_run_of_how_many_and_its_time_left(tmp_path, warm):
    (tmp_path / "mine.yaml").write_text(PLAN)
    command = [sys.executable, "-m", "rpt_core", "preset", str(tmp_path / "mine.yaml"), str(tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True, env=often())
    assert done.returncode == 0, done.stderr
    assert not CONTROL.search(done.stderr + done.stdout)
    assert re.search(r"(?m)^\[1/2\] a: .* so far, .*; suite: 0 of 2 runs done, ", done.stdout)
    assert re.search(r"(?m)^\[2/2\] b: .*; suite: 1 of 2 runs done, less than a minute left$", done.stdout)


@pytest.mark.slow
def test_a_suite_on_a_terminal_has_one_moving_line(tmp_path, warm):
    (tmp_path / "mine.yaml").write_text(PLAN)
    command = [sys.executable, "-m", "rpt_core", "preset", str(tmp_path / "mine.yaml"), str(tmp_path / "runs")]
    shown, code = in_terminal(command, often(), out=True)
    assert code == 0
    assert "\r[1/2] a: " in shown
    kept = [line.split("\r")[-1] for line in shown.replace("\r\n", "\n").splitlines()]
    assert kept[0] == "[1/2] a: A"
    assert any(line.startswith("    a: done in ") for line in kept)
