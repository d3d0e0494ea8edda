"""Where a stage is, in one line: what it does, step and total, its last numbers, time so far and time left.

In: the stage's events, and what it says between two of them. Out: the line. Loads without torch and numpy.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rpt_core.run.events import EventType
from rpt_core.words import about, counted, duration

SHOWN_NUMBERS = 4


class Progress:
    """One stage's. `clock` gives seconds; the pace is that since the step at which it began."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = self._stepped_at = self._first_at = clock()
        self._first = self._done = 0.0
        self._step: int | None = None
        self._total: int | None = None
        self._what = "starting"
        self._numbers = ""

    def hear(self, type_: EventType, data: dict[str, Any]) -> None:
        """An event."""
        if type_ == EventType.STARTED:
            self._what = ""
            self._begin(data["start_step"], data["total_steps"])
        elif type_ == EventType.PROGRESS:
            self.note(data["step"], data["total_steps"], data["what"])
        elif type_ == EventType.METRICS:
            values = [f"{name} {value:.4g}" for name, value in data["values"].items() if value is not None]
            self._numbers = ", ".join(values[:SHOWN_NUMBERS])
            self.note(data["step"])

    def note(self, step: int, total: int | None = None, what: str | None = None, share: float | None = None) -> None:
        """Where it is. share: how much is done, from 0 to 1, where steps do not tell."""
        before, self._total = self._total, total or self._total
        self._what = self._what if what is None else what
        if share is None:
            is_same = step == self._step and total in (None, before)
            share = self._done if is_same or not self._total else step / self._total
        done = share
        if self._step is None:
            self._begin(step, total)
        if done < self._done:  # another round begins
            self._first, self._first_at = done, self._clock()
        if step != self._step or done != self._done:
            self._step, self._done, self._stepped_at = step, done, self._clock()

    def seconds_left(self) -> float | None:
        """At the pace so far; None before there is one."""
        made, took = self._done - self._first, self._stepped_at - self._first_at
        if made <= 0 or took <= 0:
            return None
        return max((1 - self._done) * took / made - (self._clock() - self._stepped_at), 0.0)

    def line(self) -> str:
        """All of it, on one line."""
        left = self.seconds_left()
        parts = [
            self._what,
            self._place(),
            f"{duration(self._clock() - self._began)} so far",
            "time left not known yet" if left is None else f"{about(left)} left",
        ]
        return ", ".join(part for part in parts if part)

    def _place(self) -> str:
        if self._step is None:
            return ""
        of = f" of {self._total:,}" if self._total else ""
        place = f"step {self._step:,}{of}" if of or self._step else ""
        return f"{place}: {self._numbers}" if self._numbers else place

    def _begin(self, step: int, total: int | None) -> None:
        self._step, self._total = step, total
        self._first = self._done = step / total if total else 0.0
        self._first_at = self._stepped_at = self._clock()


class SuiteProgress:
    """A suite's: how many of its runs are done, and the time left at the pace of those that have been."""

    def __init__(self, stages: dict[str, str], jobs: int) -> None:
        self._stages, self._jobs = stages, jobs
        self._took: dict[str, float] = {}
        self._over: set[str] = set()

    def over(self, name: str, seconds: float | None = None) -> None:
        """A run will not run any more. seconds: how long it took; None when it did not run now."""
        self._over.add(name)
        if seconds is not None:
            self._took[name] = seconds

    def line(self, running: dict[str, tuple[float, float | None]]) -> str:
        """running: how long each run under way has taken, and its time left where that is known."""
        left = self._seconds_left(running)
        told = "its time left is not known yet" if left is None else f"{about(left)} left"
        return f"suite: {len(self._over)} of {counted(len(self._stages), 'run')} done, {told}"

    def _seconds_left(self, running: dict[str, tuple[float, float | None]]) -> float | None:
        parts = [
            self._left_of(name, *running.get(name, (0.0, None))) for name in self._stages if name not in self._over
        ]
        known = [part for part in parts if part is not None]
        return sum(known) / self._jobs if len(known) == len(parts) else None

    def _left_of(self, name: str, took: float, left: float | None) -> float | None:
        """By itself, or else as long as finished runs of its stage took on average, or else as all of them did."""
        if left is not None:
            return left
        alike = [seconds for other, seconds in self._took.items() if self._stages[other] == self._stages[name]]
        chosen = alike or list(self._took.values())
        return max(sum(chosen) / len(chosen) - took, 0.0) if chosen else None
