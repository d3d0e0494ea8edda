"""Signs of life of a stage: what it writes, and the processor time of its session.

In: looks at the stage, each with the number of lines recorded so far. Out: since when there was no sign, and whether it
is time to worry or to end it. A stage that waits for a device that never answers, or that somebody has stopped, writes
nothing and computes nothing; one that merely takes long computes. Where the system does not tell processor times
(macOS), nothing is said.
"""

from __future__ import annotations

import os
import statistics
import time
from collections import deque
from itertools import pairwise
from pathlib import Path

STEPS_REMEMBERED = 20
MEDIANS_TO_WORRY, MEDIANS_TO_END = 10, 30
"""In durations of the stage's own median step."""
LOOK_SECONDS = 5.0
_PROC = Path("/proc")
_SESSION, _USER, _SYSTEM = 3, 11, 12
"""Places in /proc/PID/stat after the name: session, user time and system time in clock ticks (proc(5))."""


class Life:
    """One attempt's stage. `floor_seconds` of silence are never worrying, thrice as much never the end."""

    def __init__(self, pid: int, floor_seconds: float) -> None:
        self.pid = pid
        self.floor_seconds = floor_seconds
        self._steps: deque[float] = deque(maxlen=STEPS_REMEMBERED)
        self._lines = -1
        self._ticks: int | None = -1
        self._sign_at = time.monotonic()
        self._look_at = 0.0

    def step_done(self, at: float) -> None:
        """A step has ended, at this time in seconds."""
        self._steps.append(at)

    def look(self, lines: int) -> None:
        """Look for a sign since the last look; processes are looked at every few seconds only."""
        now = time.monotonic()
        if lines != self._lines:
            self._lines, self._sign_at = lines, now
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        ticks = session_ticks(self.pid)
        if ticks is None or ticks != self._ticks:
            self._ticks, self._sign_at = ticks, now

    @property
    def quiet_seconds(self) -> float:
        """For how long there was no sign."""
        return time.monotonic() - self._sign_at

    @property
    def is_worrying(self) -> bool:
        """Whether people should know."""
        return self.quiet_seconds > max(self.floor_seconds, MEDIANS_TO_WORRY * self._median())

    @property
    def is_over(self) -> bool:
        """Whether to end it."""
        return self.quiet_seconds > max(3 * self.floor_seconds, MEDIANS_TO_END * self._median())

    def _median(self) -> float:
        times = list(self._steps)
        return statistics.median(b - a for a, b in pairwise(times)) if len(times) > 1 else 0.0


def session_ticks(session: int) -> int | None:
    """Clock ticks of processor time that the living processes of a session have used; None where nobody tells."""
    if not (_PROC / "self" / "stat").exists():
        return None
    total = 0
    for name in os.listdir(_PROC):
        if name.isdecimal() and (stat := _stat(int(name))) and int(stat[_SESSION]) == session:
            total += int(stat[_USER]) + int(stat[_SYSTEM])
    return total


def _stat(pid: int) -> list[str]:
    """The fields after the name, which may hold blanks and brackets; none for a process that has gone."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
