"""A run watched on a terminal: one line that changes, or where nobody looks a line for each change."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from rpt_core.client.client import Client
from rpt_core.client.words import plain


def watch(platform: Client, run: int, out: TextIO | None = None) -> dict[str, Any]:
    """Show how far a run is until it has ended; returns the run."""
    stream = out or sys.stdout
    shown = _Shown(stream, stream.isatty())
    ended = platform.wait(run, tell=lambda found: shown.tell(line_of(found)))
    shown.finish()
    if ended["error"]:
        print(ended["error"], file=stream)
    return ended


def line_of(run: dict[str, Any]) -> str:
    """A run in a line: state, share of its steps, time."""
    parts = [f"run {run['id']} {plain(run['title'] or run['name'])}", run["status"]]
    step, total = run["step"], run["total_steps"]
    if step is not None and total:
        parts.append(f"step {step} of {total} ({100 * step // total} %)")
    elif run["progress"]:
        parts.append(plain(run["progress"]))
    if run["seconds"] is not None:
        minutes, seconds = divmod(int(run["seconds"]), 60)
        parts.append(f"{minutes} min {seconds} s" if minutes else f"{seconds} s")
    return ", ".join(parts)


class _Shown:
    def __init__(self, stream: TextIO, is_terminal: bool) -> None:
        self.stream, self.is_terminal, self.last = stream, is_terminal, ""

    def tell(self, line: str) -> None:
        if line == self.last:
            return
        if self.is_terminal:
            print(f"\r\x1b[K{line}", end="", file=self.stream, flush=True)
        elif line.rpartition(", ")[0] != self.last.rpartition(", ")[0]:  # the time alone is no news
            print(line, file=self.stream, flush=True)
        self.last = line

    def finish(self) -> None:
        if self.is_terminal:
            print(file=self.stream)
