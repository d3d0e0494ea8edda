"""Follows a run's `events.jsonl` and makes rows of it, each event exactly once.

In: the lines behind `Run.recorded_offset`. Out: rows, see `event_rows`. Each batch is one transaction that first locks
the run's row under the runner's attempt and ends by moving the offset: nothing is recorded twice, and nothing by a
runner that has lost its run. All writes replace what stands under the same key, so that reading a file again from its
start gives the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db import transaction

from rpt_core.events import Event, EventType, read_events
from rpt_core.run_dir import RunDir
from rpt_web.runs import services
from rpt_web.runs.models import Run
from rpt_web.traces.partitions import ensure_partition
from workers import event_rows

BATCH_EVENTS = 500
BATCH_SHARDS = 4
"""Bounds how long one transaction holds the run's row."""
ENDINGS = (EventType.FINISHED, EventType.FAILED)


class Fenced(Exception):
    """The run belongs to a newer attempt, or has ended: its runner must stop at once and write nothing more."""


class Recorder:
    """Records one attempt's run. `ending` is how the stage said that it ended, once that is recorded."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.folder = RunDir(run.directory)
        self.ending: Event | None = None
        self._offset = run.recorded_offset

    def record_all(self) -> None:
        """Record everything that is complete in the file. Raises Fenced."""
        while self.record():
            pass

    def record(self) -> int:
        """Record the next batch and return its number of events. Raises Fenced."""
        batch = list(_batch(read_events(self.folder.events, self._start())))
        if not batch:
            return 0
        self._write(batch)
        self._offset = batch[-1].end
        self._note_ending(batch)
        return len(batch)

    def _write(self, batch: list[Event]) -> None:
        mine = services.owned(self.run)
        with transaction.atomic():
            if not mine.select_for_update(no_key=True).values_list("pk"):
                raise Fenced(f"run {self.run.pk} is no longer running as attempt {self.run.attempt}")
            if any(event.type == EventType.ROLLOUTS for event in batch):
                ensure_partition(self.run.pk)  # behind the lock, so that a run being deleted leaves no partition
            changes = event_rows.write(self.run, batch)
            mine.update(**changes, recorded_seq=batch[-1].seq, recorded_offset=batch[-1].end)

    def _start(self) -> int:
        """Where to go on. A file shorter than what was recorded (a crash of its disk) is read from its start."""
        events = self.folder.events
        return self._offset if events.exists() and events.stat().st_size >= self._offset else 0

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
