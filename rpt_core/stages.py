"""Every stage by its name, and how one is run to its end.

In: a stage's name, a run folder with a config. Out: an exit code, events, files in the run folder; on the terminal how
it ended, and on the way how far it is.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Any

from rpt_core.errors import UserError, is_full_disk, said
from rpt_core.preflight.checks import refuse_if_failing
from rpt_core.run.context import StageContext, StopRequested
from rpt_core.run.events import EventType, read_events
from rpt_core.run.folder import RunDir
from rpt_core.run.losses import tell_losses
from rpt_core.run.terminal import ShownLog
from rpt_core.run.trackers import tracked
from rpt_core.train.changes import refuse_unknown

EXIT_FINISHED = 0
EXIT_BUG = 1
EXIT_FAILED = 2
EXIT_STOPPED = 3

_MODULES = {
    "filter": "rpt_core.positions.stage",
    "ntp": "rpt_core.train.ntp",
    "sft": "rpt_core.train.sft",
    "rpt": "rpt_core.train.rpt",
    "expert_iteration": "rpt_core.train.expert_iteration",
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


def run_stage(stage: str, run: RunDir, attempt: int | None = None, allow_changed: Sequence[str] = ()) -> int:
    """Run a stage in this process and return its exit code; TERM and INT stop it cleanly."""
    try:
        with run.locked():
            config = run.read_config(stage)
            refuse_unknown(allow_changed, config, run)
            with (
                ShownLog(run.events, attempt or _next_attempt(run), stage) as log,
                tracked(getattr(config, "trackers", None), config, run, log),
            ):
                return _run(stage, config, StageContext(run, log, allow_changed=tuple(allow_changed)))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_FAILED


def _loaded(module: str) -> Any:
    """A stage's module. It brings torch and transformers, of which nothing becomes garbage: no collection looks."""
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        gc.freeze()
        gc.enable()


def _run(stage: str, config: Any, context: StageContext) -> int:
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, context.request_stop)
    began = time.monotonic()
    try:
        refuse_if_failing(config)
        if _module(stage, config) != _VERL:  # verl has its own checkpoints and continues from those
            tell_losses(context)
        result = _loaded(_module(stage, config)).run(config, context)
        context.log.emit(EventType.FINISHED, result=result)
    except StopRequested as stop:
        context.log.emit(EventType.STOPPED, step=stop.step)
        _tell(f"{stage}: stopped at step {stop.step}. Start it again to continue from there.")
        return EXIT_STOPPED
    except UserError as error:
        return _failed(context, str(error))
    except Exception as error:
        traceback.print_exc()
        if not is_full_disk(error):
            return EXIT_BUG
        return _failed(
            context,
            f"The disk of {context.run.path} is full. Free some space there, then retry the run: it continues from its "
            f"newest checkpoint. ({said(error)})",
        )
    numbers = ", ".join(f"{name} {_short(value)}" for name, value in result.items())
    how = f"finished in {time.monotonic() - began:.0f} s"
    if _had_nothing_to_do(context.run):
        how = "had already finished, nothing to do"
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
