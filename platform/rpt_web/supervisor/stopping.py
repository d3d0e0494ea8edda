"""A request to stop, from a signal: noticed between two steps, never in the middle of one."""

from __future__ import annotations

import signal
import time
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """Raised where the program pauses, once a signal has asked it to stop."""


class StopFlag:
    """Set by INT, TERM and HUP after `listen`."""

    def __init__(self) -> None:
        self.set = False

    def listen(self) -> None:
        """Take the signals over. Call it in the main thread."""
        for signum in SIGNALS:
            signal.signal(signum, self._note)

    def pause(self, seconds: float) -> None:
        """Sleep; raises Interrupted as soon as a signal has come."""
        end = time.monotonic() + seconds
        while True:
            if self.set:
                raise Interrupted
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.1))

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self.set = True
