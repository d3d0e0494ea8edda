"""How far an evaluation is and how long the rest takes, said while it samples.

In: how many responses (or passes) there are in all, and word of each batch of them. Out: `progress` events with "about
2 min left" in their text, which pages show as it is, and the share for the stage's own line on a terminal.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from rpt_core.run.context import StageContext
from rpt_core.words import about

TOLD_EVERY_SECONDS = 5.0


class Countdown:
    """Of one evaluation. The pace is that since the first measured part began."""

    def __init__(
        self,
        context: StageContext,
        total: int,
        noun: str = "responses",
        *,
        steps: int | None = None,
        is_whole_stage: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """total: of what is counted, over all parts. steps: the stage's steps, for its events.

        is_whole_stage: the stage does nothing else, so that its time left is this evaluation's.
        """
        self.context, self.total, self.noun, self.steps = context, total, noun, steps
        self.is_whole_stage, self._clock = is_whole_stage, clock
        self.done = 0
        self._step, self._what, self._is_measured = 0, "", True
        self._began: float | None = None
        self._told_at = 0.0

    def begin(self, step: int, what: str, is_measured: bool = True) -> None:
        """A part begins. is_measured: its work is counted."""
        self._step, self._what, self._is_measured = step, what, is_measured
        if is_measured and self._began is None:
            self._began = self._clock()
        self._tell()

    def add(self, done: int) -> None:
        """So many more are done."""
        self.done += done
        if self._clock() - self._told_at >= TOLD_EVERY_SECONDS:
            self._tell()
        share = self.done / self.total if self.is_whole_stage and self.total else None
        self.context.log.note(self._step, what=self._words(), share=share)

    def seconds_left(self) -> float | None:
        """At the pace so far; None before there is one."""
        if not self.done or self._began is None:
            return None
        return (self.total - self.done) * (self._clock() - self._began) / self.done

    def _words(self) -> str:
        if not self._is_measured:
            return self._what
        return f"{self._what}, {self.done:,} of {self.total:,} {self.noun}"

    def _tell(self) -> None:
        self._told_at, left = self._clock(), self.seconds_left()
        of = "" if self.is_whole_stage else " of this evaluation"
        more = "" if left is None or not self._is_measured else f", {about(left)} left{of}"
        self.context.progress(self._step, self.steps, self._words() + more)
