"""How far the runs are, on a terminal: one line that changes, or plain lines where output goes into a file.

In: the rows of runs as they are now. Out: text. Time left is reckoned from the steps of the last half minute.
"""

from __future__ import annotations

import math
import shutil
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TextIO

from rpt_web.runs import display
from rpt_web.runs.models import Run, Status

WINDOW_SECONDS = 30.0
PLAIN_EVERY_SECONDS = 15.0
FULL = 3
"""All that there is to say of a run."""


class Pace:
    """Steps noted as they are seen, and the time that the remaining ones will take."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, now: float, step: int) -> None:
        """A step was reached. Going back (another attempt) starts over."""
        if self._seen and step < self._seen[-1][1]:
            self._seen.clear()
        if not self._seen or step > self._seen[-1][1]:
            self._seen.append((now, step))
        while len(self._seen) > 2 and self._seen[1][0] < now - WINDOW_SECONDS:
            self._seen.popleft()

    def seconds_left(self, now: float, total_steps: int | None) -> float | None:
        """Seconds to the last step; None while unknown."""
        if len(self._seen) < 2 or total_steps is None:
            return None
        (first_time, first_step), (last_time, last_step) = self._seen[0], self._seen[-1]
        seconds_per_step = (last_time - first_time) / (last_step - first_step)
        return max(0.0, (total_steps - last_step) * seconds_per_step - (now - last_time))


class DemoProgress:
    """Writes what happens to a terminal or a file."""

    def __init__(self, out: TextIO, total_runs: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._total_runs = total_runs
        self._clock = clock
        self._changing = out.isatty()
        self._paces: dict[int, Pace] = {}
        self._shown: dict[int, tuple[str, float]] = {}

    def show(self, active: Sequence[tuple[int, Run]]) -> None:
        """The runs that are active now, with their numbers in the plan."""
        times = {run.pk: self._seconds_left(run) for _, run in active}
        if self._changing:
            line = fitting(shutil.get_terminal_size().columns - 1, partial(self._lines, active, times))
            self._out.write(f"\r\033[K{line}")
            self._out.flush()
            return
        for (_, run), line in zip(active, self._lines(active, times, FULL), strict=True):
            if self._is_due(run.pk, line):
                self.say(line)

    def ended(self, run: Run, number: int) -> None:
        """A run that has ended."""
        took = "" if run_seconds(run) is None else f" after {clock_time(run_seconds(run) or 0)}"
        self.say(f"[{number}/{self._total_runs}] {run.name}: {run.status}{took}")

    def say(self, line: str) -> None:
        """A line that stays."""
        self._out.write(f"\r\033[K{line}\n" if self._changing else f"{line}\n")
        self._out.flush()

    def _lines(self, active: Sequence[tuple[int, Run]], times: Mapping[int, float | None], detail: int) -> list[str]:
        return [f"[{number}/{self._total_runs}] {running_line(run, times[run.pk], detail)}" for number, run in active]

    def _seconds_left(self, run: Run) -> float | None:
        now = self._clock()
        pace = self._paces.setdefault(run.pk, Pace())
        if run.step is not None:
            pace.note(now, run.step)
        return pace.seconds_left(now, run.total_steps)

    def _is_due(self, key: int, line: str) -> bool:
        """Plain lines: when something changed, but not too often."""
        text, when = self._shown.get(key, ("", -math.inf))
        if line == text or self._clock() - when < PLAIN_EVERY_SECONDS:
            return False
        self._shown[key] = (line, self._clock())
        return True


def running_line(run: Run, seconds_left: float | None, detail: int = FULL) -> str:
    """Stage, step, time left, what it does. With less detail the last goes first, then the stage, then the time."""
    if run.status == Status.QUEUED:
        return f"{run.name}: waiting for the worker"
    parts = []
    if run.step is not None:
        parts.append(f"step {run.step}" + (f"/{run.total_steps}" if run.total_steps else ""))
    if seconds_left is not None and detail >= 1:
        parts.append(f"{clock_time(seconds_left)} left")
    if run.progress and (detail == FULL or not parts):
        parts.append(run.progress)
    name = f"{run.name} ({run.stage})" if detail >= 2 else run.name
    return f"{name}: {', '.join(parts) or 'starting'}"


def fitting(width: int, lines: Callable[[int], list[str]]) -> str:
    """All lines in one, with as much detail as the width has room for; what is still too long ends in an ellipsis."""
    texts = ["  ".join(lines(detail)) for detail in range(FULL, -1, -1)]
    shortest = texts[-1]
    cut = shortest if len(shortest) <= width else f"{shortest[: width - 1]}…"
    return next((text for text in texts if len(text) <= width), cut)


def run_seconds(run: Run) -> float | None:
    """Time that an ended run took in all its attempts."""
    spent = display.run_time(run) if run.finished_at else None
    return None if spent is None else spent.total_seconds()


def clock_time(seconds: float) -> str:
    """For example 1:05, or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
