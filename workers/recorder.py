"""Follows a run's `events.jsonl` and makes rows of it, each event exactly once.

In: the lines after `Run.recorded_offset`. Out: rows, see `event_rows`. Each batch is one transaction that first locks
the run's row under the runner's attempt and ends by moving the offset: nothing is recorded twice, and nothing by a
runner that has lost its run. All writes replace what stands under the same key, so that reading a file again from its
start gives the same rows. A line that is no event, and an event that cannot be recorded, are left out with a warning in
the worker's log and in the run's: one bad line does not end a run.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from django.db import transaction

from rpt_core.errors import said
from rpt_core.run.events import BadLine, Event, EventLog, EventType, read_events
from rpt_core.run.folder import RunDir
from rpt_web.runs import services
from rpt_web.runs.models import Run
from rpt_web.traces.partitions import ensure_partition
from workers import event_rows, intervals
from workers.outages import is_away
from workers.stage_process import warn
from workers.watching import Watching

BATCH_EVENTS = 500
BATCH_SHARDS = 4
"""Bounds how long one transaction holds the run's row."""
ENDINGS = (EventType.FINISHED, EventType.FAILED)
logger = logging.getLogger(__name__)


class Fenced(Exception):
    """The run belongs to a newer attempt, or has ended: its runner must stop at once and write nothing more."""


class Recorder:
    """Records one attempt's run. `ending` is how the stage said that it ended, once that is recorded."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.folder = RunDir(run.directory)
        self.ending: Event | None = None
        self.lines = 0
        """Read so far."""
        self._offset = run.recorded_offset
        self._step_times: list[float] = []
        self._watching = Watching(run)

    def begin(self) -> None:
        """Before the stage starts: where its events are no longer those that were recorded, forget these, and say so.

        Raises Fenced. The rows are then made again from what the folder still holds, so that both say the same.
        """
        if not self._offset or self._holds_what_was_recorded():
            return
        found = "are not those that were recorded" if self.folder.events.exists() else "are gone"
        message = (
            f"The events of this run {found}: its folder {self.folder.path} was deleted, truncated or replaced since "
            f"attempt {self.run.attempt - 1}. What was recorded and is no longer there is lost (recorded: step "
            f"{self.run.step or 0}). The run continues from what is left, or starts over."
        )
        with EventLog(self.folder.events, self.run.attempt) as log:  # first: who is killed now says it again
            log.emit(EventType.LOG, level="warning", message=message)
        self._forget()
        warn(self.folder, message)

    def _holds_what_was_recorded(self) -> bool:
        last = (self.run.recorded_seq, self.run.recorded_offset)
        return any((event.seq, event.end) == last for event in read_events(self.folder.events, on_bad=lambda _: None))

    def _forget(self) -> None:
        mine = services.owned(self.run)
        with transaction.atomic():
            self._lock()
            event_rows.delete_all(self.run)
            mine.update(recorded_seq=0, recorded_offset=0, step=None, total_steps=None, flops=None, result={})
        self._offset = 0

    def record_all(self) -> None:
        """Record everything that is complete in the file. Raises Fenced."""
        while self.record():
            pass

    def record(self) -> int:
        """Record the next batch and return how many lines it had. Raises Fenced."""
        bad: list[BadLine] = []
        start = self._start()
        batch = list(_batch(read_events(self.folder.events, start, bad.append)))
        for line in bad:
            warn(self.folder, str(line))
        if batch:
            self._write_or_leave_out(batch)
            self._watching.look(batch)
            self._note_ending(batch)
            self._step_times += [event.time for event in batch if event.type == EventType.METRICS]
            if any(event.type == EventType.EVALUATION for event in batch):
                intervals.refresh(self.run.experiment_id)
        self.lines += len(batch) + len(bad)
        self._offset = max([start, *(event.end for event in batch[-1:]), *(line.end for line in bad)])
        return len(batch) + len(bad)

    def take_step_times(self) -> list[float]:
        """When the steps recorded since the last call ended, in seconds since 1970."""
        taken, self._step_times = self._step_times, []
        return taken

    def _write_or_leave_out(self, batch: list[Event]) -> None:
        """Write a batch at once, or, where something in it cannot be written, each event by itself."""
        try:
            self._write(batch)
        except Exception as error:
            if isinstance(error, Fenced) or is_away(error):
                raise
            if len(batch) > 1:
                for event in batch:
                    self._write_or_leave_out([event])
                return
            logger.exception("run %s: an event cannot be recorded", self.run.pk)
            place = f"{self.folder.events}, event {batch[0].seq} ({batch[0].type})"
            warn(self.folder, f"{place} cannot be recorded: {said(error)}")

    def _write(self, batch: list[Event]) -> None:
        mine = services.owned(self.run)
        with transaction.atomic():
            self._lock()
            if any(event.type == EventType.ROLLOUTS for event in batch):
                ensure_partition(self.run.pk)  # after the lock, so that a run being deleted leaves no partition
            changes = event_rows.write(self.run, batch)
            mine.update(**changes, recorded_seq=batch[-1].seq, recorded_offset=batch[-1].end)

    def _lock(self) -> None:
        """Lock the run's row under this attempt, or raise Fenced."""
        if not services.owned(self.run).select_for_update(no_key=True).values_list("pk"):
            raise Fenced(f"run {self.run.pk} is no longer running as attempt {self.run.attempt}")

    def _start(self) -> int:
        """Where to go on. A file shorter than what was recorded (a crash of its disk) is read from its start; one that
        is not there, as when its disk is away, may come back."""
        events = self.folder.events
        return self._offset if not events.exists() or events.stat().st_size >= self._offset else 0

    def _note_ending(self, batch: list[Event]) -> None:
        for event in batch:
            if event.attempt == self.run.attempt and event.type in ENDINGS:
                self.ending = event


def _batch(events: Iterable[Event]) -> Iterator[Event]:
    shards = 0
    for count, event in enumerate(events, start=1):
        yield event
        shards += event.type == EventType.ROLLOUTS
        if count == BATCH_EVENTS or shards == BATCH_SHARDS:
            return
