"""One run of a preset in a process of its own, and what the terminal shows of it.

In: a run folder with its config. Out: how far it is, and at the end the exit code with a reason for a failure.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Protocol, TextIO

from rpt_core.config import Stage
from rpt_core.run.events import EventType, read_events
from rpt_core.run.folder import RunDir
from rpt_core.run.progress import Progress
from rpt_core.stages import EXIT_FINISHED, EXIT_STOPPED

LOG_LINES = 15


class Say(Protocol):
    """Shows a sentence that stays, on standard output or another stream."""

    def __call__(self, sentence: str, stream: TextIO | None = None) -> None: ...


class RunProcess:
    """A stage under way."""

    def __init__(self, name: str, stage: Stage, run: RunDir) -> None:
        self.name, self.run = name, run
        self._began = time.monotonic()
        self._offset = run.events.stat().st_size if run.events.exists() else 0
        self._progress = Progress()
        self._result = self._message = ""
        command = [sys.executable, "-m", "rpt_core", stage, str(run.path)]
        with run.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def poll(self) -> int | None:
        """Take in what is new; the exit code once the stage has ended."""
        code = self._process.poll()  # before the events are read, so that the last ones are not missed
        for event in read_events(self.run.events, self._offset):
            self._offset = event.end
            self._progress.hear(event.type, event.data)
            if event.type == EventType.FAILED:
                self._message = event.data["message"]
            elif event.type == EventType.FINISHED:
                self._result = ", ".join(f"{name} {value}" for name, value in event.data["result"].items())
        return code

    def line(self) -> str:
        """How far it is."""
        return f"{self.name}: {self._progress.line()}"

    def times(self) -> tuple[float, float | None]:
        """Seconds so far, and seconds left where that is known."""
        return time.monotonic() - self._began, self._progress.seconds_left()

    def stop(self) -> None:
        """Ask the stage to stop after its next checkpoint. Asking twice does no harm."""
        self._process.terminate()

    def conclude(self, code: int, was_asked_to_stop: bool, say: Say) -> str:
        """Show how it ended; returns why it did not finish, or an empty text."""
        if code == EXIT_FINISHED:
            say(f"    {self.name}: done in {self.times()[0]:.0f} s{self._result and ': '}{self._result}")
            return ""
        if code == EXIT_STOPPED or was_asked_to_stop:
            say(f"    {self.name}: stopped; repeat the command to continue")
            return "it was stopped"
        say(
            f"    {self.name}: failed (exit code {code}); the end of {self.run.log}:\n{_tail(self.run.log)}", sys.stderr
        )
        return self._message or f"exit code {code}, see {self.run.log}"


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:])
