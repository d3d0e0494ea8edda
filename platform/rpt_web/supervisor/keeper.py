"""Keeps a child process alive and its log small: starts it again after it ended, later and later each time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from rpt_core.errors import UserError
from rpt_web.supervisor.processes import Child, set_aside_large

LONGEST_DELAY_SECONDS = 30.0
HEALTHY_SECONDS = 60.0
"""A child that ran so long counts as healthy: the delays start over."""


class Keeper:
    """Looks after one child that has been started. `start` starts it again in its own way; UserError when it fails."""

    def __init__(
        self,
        child: Child,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        start: Callable[[], None] | None = None,
    ) -> None:
        self.child = child
        self._start = child.start if start is None else start
        self._say = say
        self._clock = clock
        self._failures = 0
        self._started_at = clock()
        self._start_at: float | None = None

    def look(self) -> None:
        """Call this every second or so: says what ended, and starts it again when its delay is over."""
        with contextlib.suppress(OSError):  # on a full disk: the programs matter more than their logs
            set_aside_large(self.child.log)
        if self.child.running:
            return
        now = self._clock()
        if self._start_at is None:
            self._start_at = now + self._delay(now)
            assert self.child.process is not None
            self._say(
                f"{self.child.name} ended unexpectedly (code {self.child.process.returncode}) and starts again "
                f"in {self._start_at - now:.0f} s. Its log: {self.child.log}"
            )
        elif now >= self._start_at:
            self._started_at, self._start_at = now, None
            try:
                self._start()
            except UserError as error:
                self._say(str(error))

    def _delay(self, now: float) -> float:
        self._failures = 0 if now - self._started_at >= HEALTHY_SECONDS else self._failures + 1
        return min(LONGEST_DELAY_SECONDS, 2.0 ** max(self._failures - 1, 0))
