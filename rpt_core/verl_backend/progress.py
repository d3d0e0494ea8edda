"""Where verl is while it starts, which takes minutes: read from its log. Loads without torch."""

from __future__ import annotations

import time
from pathlib import Path

from rpt_core.verl_backend.failures import tail

NO_ANSWER = "The job server of the Ray cluster does not answer."
_PHASES = (
    (NO_ANSWER, "verl: waiting for the Ray cluster, which does not answer"),
    ("Training Progress:", "verl: sampling and learning"),
    ("all initialize finished", "verl is starting: handing the weights to vLLM"),
    ("reward loop manager initialized", "verl is starting: vLLM"),
    ("create worker group", "verl is starting: loading the model"),
    ("Started a local Ray instance", "verl is starting: its trainer"),
)
"""The latest one first: what the log says, and what it means."""


class Phases:
    """Says what verl is doing, and for how long it has been running."""

    def __init__(self, log: Path) -> None:
        self._log, self._began = log, time.monotonic()

    def now(self) -> str:
        """Words for a progress event."""
        text = tail(self._log)
        words = next((words for mark, words in _PHASES if mark in text), "verl is starting: Ray")
        return f"{words} ({time.monotonic() - self._began:.0f} s)"
