"""One run of a preset in a process of its own, and what the terminal shows of it.

In: a run folder with its config. Out: lines as events come, and at the end the exit code with a reason for a failure.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from rpt_core.config import Stage
from rpt_core.event_words import SHOW_EVERY_SECONDS, in_words
from rpt_core.events import EventType, read_events
from rpt_core.run_dir import RunDir
from rpt_core.stage import EXIT_FINISHED, EXIT_STOPPED

LOG_LINES = 15


class RunProcess:
    """A stage under way."""

    def __init__(self, name: str, stage: Stage, run: RunDir) -> None:
        self.name, self.run = name, run
        self._began = self._shown = time.monotonic()
        self._offset = run.events.stat().st_size if run.events.exists() else 0
        self._line: str | None = None
        self._message = ""
        command = [sys.executable, "-m", "rpt_core", stage, str(run.path)]
        with run.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def poll(self) -> int | None:
        """Show what is new; the exit code once the stage has ended."""
        code = self._process.poll()  # before the events are read, so that the last ones are not missed
        for event in read_events(self.run.events, self._offset):
            self._offset = event.end
            self._line = in_words(event.type, event.data) or self._line
            if event.type == EventType.FAILED:
                self._message = event.data["message"]
        if self._line and (code is not None or time.monotonic() - self._shown > SHOW_EVERY_SECONDS):
            print(f"    {self.name}  {self._seconds():.0f} s  {self._line}", flush=True)
            self._line, self._shown = None, time.monotonic()
        return code

    def stop(self) -> None:
        """Ask the stage to stop after its next checkpoint. Asking twice does no harm."""
        self._process.terminate()

    def conclude(self, code: int, was_asked_to_stop: bool) -> str:
        """Show how it ended; returns why it did not finish, or an empty text."""
        if code == EXIT_FINISHED:
            print(f"    {self.name}: done in {self._seconds():.0f} s", flush=True)
            return ""
        if code == EXIT_STOPPED or was_asked_to_stop:
            print(f"    {self.name}: stopped; repeat the command to go on", flush=True)
            return "it was stopped"
        print(f"    {self.name}: failed (exit code {code}); the end of {self.run.log}:", file=sys.stderr)
        print(_tail(self.run.log), file=sys.stderr, flush=True)
        return self._message or f"exit code {code}, see {self.run.log}"

    def _seconds(self) -> float:
        return time.monotonic() - self._began


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:])
