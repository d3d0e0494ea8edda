"""What a stage or a suite shows while it works: on a terminal one line that moves, elsewhere a line now and then.

In: a function that gives the line as it is now, and sentences to keep. Out: text on a stream. On a terminal the line is
written over itself every second and cleared at the end; a file or a pipe gets it at least once in
RPT_PROGRESS_SECONDS (60), without any control character. Loads without torch and numpy.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from rpt_core.errors import UserError
from rpt_core.run.events import EventLog, EventType
from rpt_core.run.progress import Progress

EVERY_SECONDS = "RPT_PROGRESS_SECONDS"
MOVES_EVERY_SECONDS = 1.0
NOBODY_READS = (OSError, ValueError)
"""What writing to a closed pipe or file raises; the work goes on."""


def interval() -> float:
    """Seconds between two lines in a file or a pipe. Raises UserError for what is no number of seconds."""
    text = os.environ.get(EVERY_SECONDS, "60")
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.05 <= seconds <= 86_400:
        raise UserError(f"{EVERY_SECONDS} is {text!r}. Give seconds between 0.05 and 86400, or leave it out for 60.")
    return seconds


class Screen:
    """Shows a line until it is closed, from a thread of its own: a long step keeps nobody waiting for word of it."""

    def __init__(self, line: Callable[[], str], stream: TextIO | None = None) -> None:
        self._line, self._stream = line, stream or sys.stderr
        self._is_terminal = self._stream.isatty()
        self._every = min(MOVES_EVERY_SECONDS, interval()) if self._is_terminal else interval()
        self._width = 0
        """Characters of the line that stands on the terminal."""
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)
        self._thread.start()

    def keep(self, sentence: str, stream: TextIO | None = None) -> None:
        """Write a sentence that stays."""
        with self._lock, contextlib.suppress(*NOBODY_READS):
            self._clear()
            print(sentence, file=stream or self._stream, flush=True)

    def close(self) -> None:
        """Stop, and leave a clean line."""
        self._closed.set()
        self._thread.join()
        with self._lock, contextlib.suppress(*NOBODY_READS):
            self._clear()

    def _show(self) -> None:
        due = time.monotonic() + self._every
        while not self._closed.wait(max(due - time.monotonic(), 0.0)):
            due = max(due + self._every, time.monotonic())  # no burst after a step that kept us waiting
            with self._lock, contextlib.suppress(*NOBODY_READS):
                self._write(self._line())

    def _write(self, line: str) -> None:
        if not self._is_terminal:
            print(line, file=self._stream, flush=True)
            return
        shown = line[: max(shutil.get_terminal_size().columns - 1, 20)]
        self._stream.write("\r" + shown.ljust(self._width))
        self._stream.flush()
        self._width = len(shown)

    def _clear(self) -> None:
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()
            self._width = 0


class ShownLog(EventLog):
    """An event log that shows on standard error how far the stage is, and each sentence that it says."""

    def __init__(self, path: Path, attempt: int, stage: str) -> None:
        super().__init__(path, attempt)
        self._progress = Progress()
        self._screen = Screen(lambda: f"{stage}: {self._progress.line()}")

    def emit(self, type_: EventType, **data: Any) -> None:
        """Write an event to the log, and let the screen follow it."""
        super().emit(type_, **data)
        self._progress.hear(type_, data)
        if type_ == EventType.LOG:
            self._screen.keep(data["message"])

    def note(self, step: int, total: int | None = None, what: str | None = None, share: float | None = None) -> None:
        """Let the screen show this progress; nothing is written to the log."""
        self._progress.note(step, total, what, share)

    def close(self) -> None:
        """Close the log, and end the screen's line."""
        self._screen.close()
        super().close()
