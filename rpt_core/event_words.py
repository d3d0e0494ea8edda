"""Events in a few words, for a terminal. Loads without torch and numpy."""

from __future__ import annotations

import sys
import time
from typing import Any

from rpt_core.events import EventLog, EventType

SHOW_EVERY_SECONDS = 5.0


def in_words(type_: EventType, data: dict[str, Any]) -> str | None:
    """An event in a few words; None for those that a terminal does not show."""
    if type_ == EventType.PROGRESS:
        return f"{data['what']} {data['step']}/{data['total_steps'] or '?'}"
    if type_ == EventType.METRICS:
        values = (f"{name} {value:.4g}" for name, value in data["values"].items() if value is not None)
        return f"step {data['step']}: " + ", ".join(list(values)[:4])
    if type_ == EventType.TABLE:
        return f"table: {data['title']}"
    if type_ == EventType.FINISHED:
        return ", ".join(f"{name} {value}" for name, value in data["result"].items())
    return data["message"] if type_ in (EventType.LOG, EventType.FAILED) else None


class ShownLog(EventLog):
    """An event log that shows on standard error how far the stage is, every few seconds, and each warning."""

    _shown = -SHOW_EVERY_SECONDS

    def emit(self, type_: EventType, **data: Any) -> None:
        """See EventLog."""
        super().emit(type_, **data)
        is_due = (
            type_ in (EventType.PROGRESS, EventType.METRICS) and time.monotonic() - self._shown > SHOW_EVERY_SECONDS
        )
        if is_due or type_ == EventType.LOG:
            self._shown = time.monotonic()
            print(in_words(type_, data), file=sys.stderr, flush=True)
