"""What every stage gets: its run folder, its event log, and word of a request to stop."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from types import FrameType

from rpt_core.run.events import EventLog, EventType
from rpt_core.run.folder import RunDir


class StopRequested(Exception):
    """A stage raises this once its checkpoint is written, after `context.stop_requested` became true."""

    def __init__(self, step: int) -> None:
        super().__init__(f"stopped at step {step}")
        self.step = step


@dataclass
class StageContext:
    """A stage's surroundings. A stage looks at `stop_requested` at least once a step."""

    run: RunDir
    log: EventLog
    stop_requested: bool = field(default=False)
    allow_changed: tuple[str, ...] = ()
    """Fields of the config that may differ from those that made the checkpoint which the run continues from."""
    _untold: list[tuple[str, str]] = field(default_factory=list)

    def request_stop(self, signum: int = signal.SIGTERM, frame: FrameType | None = None) -> None:
        """Signal handler: ask the stage to stop at the next step."""
        self.stop_requested = True

    def progress(self, step: int, total_steps: int | None, what: str) -> None:
        """Say where the stage is."""
        self.log.emit(EventType.PROGRESS, step=step, total_steps=total_steps, what=what)

    def started(self, start_step: int, total_steps: int | None) -> None:
        """Say from which step the stage goes on. Called once, before any other event."""
        self.log.emit(EventType.STARTED, start_step=start_step, total_steps=total_steps)
        for level, message in self._untold:
            self.log.emit(EventType.LOG, level=level, message=message)
        self._untold.clear()

    def tell_at_start(self, level: str, message: str) -> None:
        """Say something once the stage has started: that event comes first."""
        self._untold.append((level, message))
