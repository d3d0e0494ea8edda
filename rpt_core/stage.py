"""What every stage gets: its run folder, its event log, and word of a request to stop. Runs one stage to its end.

In: a stage's name, a run folder with a config. Out: an exit code, events, files in the run folder; on the terminal how
it ended, and on the way how far it is.
"""

from __future__ import annotations

import contextlib
import importlib
import signal
import sys
import time
import traceback
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from rpt_core.errors import UserError, is_full_disk
from rpt_core.event_words import ShownLog
from rpt_core.events import EventLog, EventType, read_events
from rpt_core.preflight.checks import refuse_if_failing
from rpt_core.run_dir import RunDir

EXIT_FINISHED = 0
EXIT_BUG = 1
EXIT_FAILED = 2
EXIT_STOPPED = 3

_MODULES = {
    "filter": "rpt_core.token_filter",
    "ntp": "rpt_core.train.ntp",
    "sft": "rpt_core.train.sft",
    "rpt": "rpt_core.train.rpt",
    "rlvr": "rpt_core.train.rlvr",
    "evaluate": "rpt_core.evaluation.next_token",
    "templates": "rpt_core.evaluation.templates",
    "benchmark": "rpt_core.evaluation.multiple_choice",
    "analyse": "rpt_core.analysis.stage",
}
"""Each module has `run(config, context) -> dict`: the result for the `finished` event. Imported only when needed."""
_VERL = "rpt_core.verl_backend.stage"
"""The stage of configs whose `engine` is verl."""


_WORK = (EventType.METRICS, EventType.ROLLOUTS, EventType.CHECKPOINT, EventType.EVALUATION)
"""Tables are not among them: a stage makes some at its end from what is there already."""


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

    def request_stop(self, signum: int = signal.SIGTERM, frame: FrameType | None = None) -> None:
        """Signal handler: ask the stage to stop at the next step."""
        self.stop_requested = True

    def progress(self, step: int, total_steps: int | None, what: str) -> None:
        """Say where the stage is."""
        self.log.emit(EventType.PROGRESS, step=step, total_steps=total_steps, what=what)

    def started(self, start_step: int, total_steps: int | None) -> None:
        """Say from which step the stage goes on. Called once, before any other event."""
        self.log.emit(EventType.STARTED, start_step=start_step, total_steps=total_steps)


def run_stage(stage: str, run: RunDir, attempt: int | None = None) -> int:
    """Run a stage in this process and return its exit code; TERM and INT stop it cleanly."""
    try:
        with run.locked():
            config = run.read_config(stage)
            log_type = ShownLog if sys.stderr.isatty() else EventLog  # a file or a pipe gets the end alone
            with log_type(run.events, attempt or _next_attempt(run)) as log:
                return _run(stage, config, StageContext(run, log))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_FAILED


def _run(stage: str, config: Any, context: StageContext) -> int:
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, context.request_stop)
    began = time.monotonic()
    try:
        refuse_if_failing(config)
        result = importlib.import_module(_module(stage, config)).run(config, context)
        context.log.emit(EventType.FINISHED, result=result)
    except StopRequested as stop:
        context.log.emit(EventType.STOPPED, step=stop.step)
        _tell(f"{stage}: stopped at step {stop.step}. Start it again to go on from there.")
        return EXIT_STOPPED
    except UserError as error:
        return _failed(context, str(error))
    except Exception as error:
        traceback.print_exc()
        if not is_full_disk(error):
            return EXIT_BUG
        return _failed(
            context,
            f"The disk of {context.run.path} is full. Free some space there, then retry the run: it goes on from its "
            f"newest checkpoint. ({error})",
        )
    numbers = ", ".join(f"{name} {_short(value)}" for name, value in result.items())
    how = f"finished in {time.monotonic() - began:.0f} s"
    if _had_nothing_to_do(context.run):
        how = "was finished already, nothing to do"
    _tell(f"{stage}: {how}: {numbers}")
    if made := _made(context.run):
        _tell(f"In {context.run.path}: {', '.join(made)}")
    return EXIT_FINISHED


def _had_nothing_to_do(run: RunDir) -> bool:
    """Whether the stage that has just finished had finished before, and found all of its steps done."""
    had_finished = is_finished = is_idle = False
    for event in read_events(run.events):
        if event.type == EventType.STARTED:
            had_finished, is_finished = is_finished, False
            is_idle = event.data["start_step"] > 0  # a stage that starts afresh does its work again
        elif event.type == EventType.FINISHED:
            is_finished = True
        elif event.type in _WORK:
            is_idle = False
    return had_finished and is_idle


def _tell(line: str) -> None:
    """Say on the terminal how a stage ended; it has ended so, whether or not anybody hears it."""
    with contextlib.suppress(OSError):
        print(line, flush=True)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _made(run: RunDir) -> list[str]:
    """Where in the run's folder its results are."""
    places = (run.newest_checkpoint(), run.positions, run.evaluations, run.tables, run.rollouts)
    return [run.relative(place) for place in places if place is not None and place.is_dir()]


def _failed(context: StageContext, message: str) -> int:
    """Say in the log of events and on the terminal why the run failed; a disk may be too full for the former."""
    with contextlib.suppress(OSError):
        context.log.emit(EventType.FAILED, message=message)
    print(f"error: {message}", file=sys.stderr)
    return EXIT_FAILED


def _module(stage: str, config: Any) -> str:
    return _VERL if getattr(config, "engine", None) == "verl" else _MODULES[stage]


def _next_attempt(run: RunDir) -> int:
    return max((event.attempt for event in read_events(run.events)), default=0) + 1
