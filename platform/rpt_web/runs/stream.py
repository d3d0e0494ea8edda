"""Server-sent events of one run: new metrics, progress, and word of what else has changed, until the run is final.

One hub for each watched run reads its rows at most once a second and hands them to all who watch, so a hundred viewers
cost as much as one. Reading happens in a thread that gives its database connection back each time: a stream holds none.
A viewer that falls behind, or comes back, goes on after the last step it has got (Last-Event-ID: "attempt-step").
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection

from rpt_web.runs.models import FINAL, Run
from rpt_web.runs.queries import Newest, head_of, new_metrics, newest_events, progress_of

POLL_SECONDS = 1.0
HEARTBEAT_SECONDS = 15.0
LONGEST_QUEUE = 60
_readers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="stream")


@dataclass(frozen=True)
class Cursor:
    """How far a viewer's charts are: the attempt whose metrics they show, and the last step of them."""

    attempt: int
    step: int

    @classmethod
    def parse(cls, text: str) -> Cursor | None:
        """From "attempt-step"; None for anything else."""
        attempt, _, step = text.partition("-")
        return cls(int(attempt), int(step)) if attempt.isdecimal() and step.isdecimal() else None

    def __str__(self) -> str:
        return f"{self.attempt}-{self.step}"


@dataclass(frozen=True)
class Seen:
    """What the viewer's page was drawn from: the run's state and its newest events."""

    state: str
    newest: Newest


@dataclass(frozen=True)
class Snapshot:
    """A run's rows at one moment, with the metrics behind a step."""

    attempt: int
    seen: Seen
    progress: dict[str, Any]
    points: list[dict[str, Any]]
    is_final: bool


class Hub:
    """Reads one run for all who watch it, from the first viewer's coming to the last one's going."""

    def __init__(self, run_id: int, cursor: Cursor) -> None:
        self.run_id = run_id
        self.cursor = cursor
        self.queues: set[asyncio.Queue[Snapshot | None]] = set()
        self.task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Read and hand out until the run is final or nobody watches."""
        try:
            while self.queues:
                snapshot = await read(self.run_id, self.cursor)
                if snapshot is None:
                    break
                self.cursor = _moved(self.cursor, snapshot)
                self._hand_out(snapshot)
                if snapshot.is_final:
                    break
                await asyncio.sleep(POLL_SECONDS)
        finally:
            self._end()

    def _hand_out(self, snapshot: Snapshot) -> None:
        for queue in list(self.queues):
            if queue.qsize() < LONGEST_QUEUE:
                queue.put_nowait(snapshot)
            else:  # too slow: its stream ends, and the browser comes back with its last step
                self.queues.discard(queue)
                queue.put_nowait(None)

    def _end(self) -> None:
        if _hubs.get(self.run_id) is self:
            del _hubs[self.run_id]
        for queue in self.queues:
            queue.put_nowait(None)


_hubs: dict[int, Hub] = {}


async def follow(run_id: int, cursor: Cursor, seen: Seen) -> AsyncIterator[str]:
    """The stream of one viewer, as lines of the event-stream format."""
    queue: asyncio.Queue[Snapshot | None] = asyncio.Queue()
    yield "retry: 3000\n\n"
    first = await read(run_id, cursor)  # what this viewer has missed
    if first is None:
        return
    hub = _join(run_id, _moved(cursor, first), queue) if not first.is_final else None
    try:
        snapshot, progress = first, None
        while True:
            for line in _lines(cursor, seen, progress, snapshot):
                yield line
            cursor, seen, progress = _moved(cursor, snapshot), snapshot.seen, snapshot.progress
            if snapshot.is_final:
                return
            arrived = await _next(queue)
            while arrived is WAITING:
                yield ": still here\n\n"
                arrived = await _next(queue)
            if not isinstance(arrived, Snapshot):
                return
            snapshot = arrived
    finally:
        if hub is not None:
            hub.queues.discard(queue)


async def read(run_id: int, cursor: Cursor) -> Snapshot | None:
    """A snapshot from the database; None when the run is gone."""
    return await asyncio.get_running_loop().run_in_executor(_readers, _read, run_id, cursor)


WAITING = object()


async def _next(queue: asyncio.Queue[Snapshot | None]) -> Snapshot | object | None:
    try:
        return await asyncio.wait_for(queue.get(), HEARTBEAT_SECONDS)
    except TimeoutError:
        return WAITING


def _join(run_id: int, cursor: Cursor, queue: asyncio.Queue[Snapshot | None]) -> Hub:
    hub = _hubs.get(run_id)
    if hub is None or hub.task is None or hub.task.done():
        hub = _hubs[run_id] = Hub(run_id, cursor)
    hub.queues.add(queue)
    if hub.task is None:
        hub.task = asyncio.create_task(hub.run())
    # One that joins late has read for itself up to its own cursor; the hub's next points may overlap with that.
    hub.cursor = _earlier(hub.cursor, cursor)
    return hub


def _read(run_id: int, cursor: Cursor) -> Snapshot | None:
    try:
        run = Run.objects.defer("config", "plan", "result", "log_tail").filter(pk=run_id).first()
        if run is None:
            return None
        return Snapshot(
            attempt=run.attempt,
            seen=Seen(head_of(run).key(run), newest_events(run)),
            progress=progress_of(run),
            points=new_metrics(run_id, cursor.step if cursor.attempt == run.attempt else 0),
            is_final=run.status in FINAL,
        )
    finally:
        connection.close()


def _lines(cursor: Cursor, seen: Seen, progress: dict[str, Any] | None, new: Snapshot) -> list[str]:
    """What to tell a viewer of a snapshot, given what it has got before."""
    parts = [name for name, differs in _differences(cursor, seen, new) if differs]
    points = [] if "charts" in parts else [point for point in new.points if point["step"] > cursor.step]
    lines = []
    if points:
        lines.append(_event("metrics", {"points": points}, Cursor(new.attempt, points[-1]["step"])))
    if progress != new.progress:
        lines.append(_event("progress", new.progress))
    if parts:
        lines.append(_event("refresh", {"parts": parts}))
    if new.is_final:
        lines.append(_event("end", {}))
    return lines


def _differences(cursor: Cursor, seen: Seen, new: Snapshot) -> list[tuple[str, bool]]:
    """The parts of the page to be drawn anew. A new attempt may have taken steps back; evaluations have charts too."""
    is_new_attempt, before, after = cursor.attempt != new.attempt, seen.newest, new.seen.newest
    return [
        ("state", seen.state != new.seen.state),
        ("tables", is_new_attempt or before.table != after.table),
        ("records", before.event != after.event),
        ("charts", is_new_attempt or before.evaluation != after.evaluation),
    ]


def _moved(cursor: Cursor, snapshot: Snapshot) -> Cursor:
    """The cursor behind a snapshot."""
    if cursor.attempt != snapshot.attempt:
        cursor = Cursor(snapshot.attempt, 0)
    if not snapshot.points:
        return cursor
    return replace(cursor, step=max(cursor.step, snapshot.points[-1]["step"]))


def _earlier(one: Cursor, other: Cursor) -> Cursor:
    return one if one.attempt != other.attempt or one.step <= other.step else other


def _event(name: str, data: dict[str, Any], key: Cursor | None = None) -> str:
    head = f"id: {key}\n" if key else ""
    return f"{head}event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"
