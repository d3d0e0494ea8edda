"""Executes a claimed run: starts its stage, follows it, ends it well.

In: a run this worker has claimed. Out: the run in its next state (see `runs.services`), its rows recorded.
While the stage runs, once a tick: record what it wrote, hold the lease on, look for a request to stop. A database that
is away for a while stops nothing: the stage works on, and its events wait in its folder.

How it ends:
- exit code 0 and a `finished` event: succeeded. A declared error (`failed` event): failed with its message.
- cancelled by somebody: TERM to the group, grace, KILL; cancelled.
- the worker is being stopped: the same with a shorter grace, then the run is queued again, and the attempt does not
  count against the cap.
- killed by a signal (out of memory, a crashed driver, a machine going down) or stopped by somebody else: queued again
  from its newest checkpoint, up to the cap of attempts, then failed.
- no sign of life for long (see `life`): shown as not responding, and at last killed and queued again.
- badly while the disk is full or gone: queued again, and the attempt does not count; see `disk`.
- anything else: failed with the log's tail.
- the run is no longer ours (its lease had lapsed): the stage is killed, nothing is written.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from django.conf import settings
from django.db import connection
from pydantic import ValidationError

from rpt_core.config import STAGES
from rpt_core.config.messages import field_messages
from rpt_core.errors import UserError
from rpt_core.run.events import EventType
from rpt_core.run.folder import RunDir
from rpt_core.stages import EXIT_FINISHED, EXIT_STOPPED
from rpt_web.runs import attempts, reach, services
from rpt_web.runs.models import Run, Status
from rpt_web.supervisor.paths import make_private
from workers import disk, intervals, shutdown
from workers.life import Life
from workers.outages import is_away
from workers.recorder import Fenced, Recorder
from workers.stage_process import StageProcess, clear_leftover

TICK_SECONDS = 0.5
RENEWALS_PER_LEASE = 4
OUTAGE_SECONDS = 600
"""How long a run that is about to start or has ended waits for the database to come back."""
INTERNAL_ERROR = "Internal error of the worker. Look at the worker's log, then retry the run."
logger = logging.getLogger(__name__)
_T = TypeVar("_T")


def execute(run: Run) -> None:
    """Run a claimed run to its end. Never raises for what a stage does."""
    execution = _Execution(run)
    try:
        execution.run_to_end()
    except Fenced as fenced:
        logger.warning("%s; its stage was killed", fenced)
    except UserError as error:
        services.finish(run, run.attempt, Status.FAILED, error=str(error))
    except Exception as error:
        logger.exception("run %s", run.pk)
        _end_of_our_own_making(execution, error)
    finally:
        execution.stage.kill()


def _end_of_our_own_making(execution: _Execution, error: Exception) -> None:
    """The worker itself failed: for want of a database (then the reaper goes on), of a disk, or by a bug."""
    if is_away(error):
        logger.error("run %s: the database is away; the reaper will queue the run again", execution.run.pk)
    elif words := disk.problem():
        execution.stage.kill()
        services.hand_back(execution.run, words)
    else:
        tail = execution.stage.log_tail()
        services.finish(execution.run, execution.run.attempt, Status.FAILED, error=INTERNAL_ERROR, log_tail=tail)


@dataclass(frozen=True)
class _Stop:
    """Why the stage was asked to stop, and until when it may take."""

    for_cancel: bool
    deadline: float


class _Execution:
    """One attempt of a run in this process."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.folder = RunDir(run.directory)
        self.stage = StageProcess(self.folder, run.stage, run.attempt)
        self.recorder = Recorder(run)
        self._stop: _Stop | None = None
        self._renew_at = 0.0
        self._life: Life | None = None
        self._is_worrying = False
        self._was_hung = ""

    def run_to_end(self) -> None:
        """Start, follow, record the rest, conclude."""
        self.stage.gpus = _insist(lambda: attempts.gpus_of(self.run))
        _insist(self._write_config)
        if not _insist(self._wait_for_folder):
            services.hand_back(self.run)
            return
        _insist(self.recorder.begin)
        _insist(self._renew)  # the run may have gone to another worker while the database was away
        self._life = Life(self.stage.start(), settings.RPT_QUIET_SECONDS)
        while (code := self.stage.wait(TICK_SECONDS)) is None:
            self._tick()
        _insist(self.recorder.record_all)
        _insist(lambda: self._conclude(code))

    def _write_config(self) -> None:
        if self.run.stage not in STAGES:
            raise UserError(f"This version has no stage {self.run.stage!r}. It has: {', '.join(STAGES)}.")
        make_private(self.folder.path.parent)
        make_private(self.folder.path)
        try:
            config = STAGES[self.run.stage].model_validate(self.run.config)
        except ValidationError as error:
            listed = "; ".join(f"{name}: {message}" for name, message in field_messages(error).items())
            raise UserError(f"This version does not accept the run's config. Submit it again. {listed}") from None
        # Again: what a path leads to and what is shared may have changed, and another node may allow less.
        reach.require(config, teams=[self.run.experiment.team_id])
        self.folder.create(config)

    def _wait_for_folder(self) -> bool:
        """Wait until no stage of an earlier attempt writes there any more; False when asked to stop meanwhile."""
        deadline = time.monotonic() + 2 * settings.RPT_LEASE_SECONDS
        while not clear_leftover(self.folder):
            if shutdown.is_requested() or services.is_cancel_requested(self.run):
                return False
            if time.monotonic() > deadline:
                raise UserError(f"Another process still runs in {self.folder.path}. Stop it, then retry the run.")
            self._renew_when_due()
            time.sleep(TICK_SECONDS)
        return True

    def _tick(self) -> None:
        if shutdown.is_requested() and (self._stop is None or self._stop.for_cancel):
            self._stop_stage(for_cancel=False, grace_seconds=settings.RPT_SHUTDOWN_GRACE_SECONDS)
        if self._stop and time.monotonic() > self._stop.deadline:
            self.stage.kill()
        for act in (self._renew_when_due, self._record, self._look_for_life, self._cancel_if_asked):
            try:
                act()
            except Exception as error:
                if not is_away(error):
                    raise
                _reconnect(error)

    def _record(self) -> None:
        self.recorder.record()

    def _cancel_if_asked(self) -> None:
        if self._stop is None and services.is_cancel_requested(self.run):
            self._stop_stage(for_cancel=True, grace_seconds=settings.RPT_CANCEL_GRACE_SECONDS)

    def _look_for_life(self) -> None:
        """Tell people when the stage stops responding and when it does so again; end it when it has for too long."""
        assert self._life is not None
        for at in self.recorder.take_step_times():
            self._life.step_done(at)
        self._life.look(self.recorder.lines)
        if self._life.is_worrying != self._is_worrying:
            self._is_worrying = self._life.is_worrying
            services.note_quiet(self.run, self._life.quiet_seconds if self._is_worrying else None)
            state = "does not respond" if self._is_worrying else "responds again"
            logger.error("run %s: its stage %s (process %s)", self.run.pk, state, self._life.pid)
        if self._life.is_over and not self._was_hung:
            minutes = self._life.quiet_seconds / 60
            self._was_hung = f"The stage wrote nothing and computed nothing for {minutes:.0f} minutes, and was ended."
            self.stage.kill()

    def _renew_when_due(self) -> None:
        if time.monotonic() >= self._renew_at:
            self._renew()

    def _renew(self) -> None:
        if not services.renew(self.run):
            raise Fenced(f"run {self.run.pk} is no longer running as attempt {self.run.attempt}")
        self._renew_at = time.monotonic() + settings.RPT_LEASE_SECONDS / RENEWALS_PER_LEASE

    def _stop_stage(self, *, for_cancel: bool, grace_seconds: float) -> None:
        self._stop = _Stop(for_cancel, time.monotonic() + grace_seconds)
        self.stage.terminate()

    def _conclude(self, code: int) -> None:
        ending = self.recorder.ending
        if ending and ending.type == EventType.FINISHED and code == EXIT_FINISHED:
            self._finish(Status.SUCCEEDED, code)
        elif ending and ending.type == EventType.FAILED:
            self._finish(Status.FAILED, code, ending.data["message"])
        elif services.is_cancel_requested(self.run):
            self._finish(Status.CANCELLED, code)
        elif self._stop:
            services.hand_back(self.run)
        elif words := disk.problem():
            services.hand_back(self.run, f"{self._was_hung or _how_it_ended(code)} {words}")
        elif code < 0 or code == EXIT_STOPPED:
            words = self._was_hung or _how_it_ended(code)
            services.interrupt(self.run, words, log_tail=self.stage.log_tail(), exit_code=code)
        else:
            self._finish(Status.FAILED, code, _how_it_ended(code))

    def _finish(self, status: Status, code: int, error: str = "") -> None:
        tail = self.stage.log_tail() if status == Status.FAILED else ""
        services.finish(self.run, self.run.attempt, status, error=error, log_tail=tail, exit_code=code)
        if status == Status.SUCCEEDED:
            intervals.refresh(self.run.experiment_id)


def _how_it_ended(code: int) -> str:
    if code < 0:
        memory = " The machine may have run out of memory." if -code == signal.SIGKILL else ""
        return f"The stage was killed by {signal.Signals(-code).name}.{memory} The end of its log is below."
    if code == EXIT_STOPPED:
        return "Something other than its worker stopped the stage. The end of its log is below."
    if code == EXIT_FINISHED:
        return "The stage ended without saying that it had finished. The end of its log is below."
    return f"The stage ended with an error (exit code {code}). The end of its log is below."


def _insist(act: Callable[[], _T]) -> _T:
    """Do it, waiting for a database that is away; not while the worker is being stopped."""
    deadline = time.monotonic() + OUTAGE_SECONDS
    while True:
        try:
            return act()
        except Exception as error:
            if not is_away(error) or shutdown.is_requested() or time.monotonic() > deadline:
                raise
            _reconnect(error)
            time.sleep(TICK_SECONDS)


def _reconnect(error: Exception) -> None:
    logger.warning("the database does not answer: %s", error)
    connection.close()
