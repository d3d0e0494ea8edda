"""Server-sent events of one run: new metrics, progress, and word of what else has changed, until the run is final.

One hub for each watched run reads its rows at most once a second and hands what is new to all who watch, so a hundred
viewers cost little more than one. Reading happens in a thread that gives its database connection back each time: a
stream holds none. A viewer that falls behind, or comes back, goes on after the last step it has got (Last-Event-ID:
"attempt-step"). Who has logged out, has another password or may no longer come in is noticed within seconds, and the
stream ends. While nothing is new, a line of comment every 15 s keeps proxies from taking the connection for dead.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakSet

from django.conf import settings
from django.db import connection

from rpt_web import access
from rpt_web.runs.models import FINAL, Run
from rpt_web.runs.queries import Newest, head_of, new_metrics, newest_events, progress_of
from rpt_web.teams.sessions import Login, still_valid

POLL_SECONDS = 1.0
LEFT_SECONDS = 15.0
"""So long at least lies between two estimates of the time left, if nothing else is new."""
CHECK_SECONDS = 5.0
"""How often it is looked whether the viewers may still come in."""
HEARTBEAT_SECONDS = 15.0
LONGEST_QUEUE = 60
PARTS = frozenset({"state", "tables", "records", "charts", "metrics"})
"""What a page may show of a run; "metrics" are the new points of its charts."""
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
    """A run's rows at one moment, with the metrics after a step."""

    attempt: int
    seen: Seen
    progress: dict[str, Any]
    points: list[dict[str, Any]]
    is_final: bool
    written: dict[tuple[Cursor, Seen, bool, frozenset[str]], list[str]] = field(
        default_factory=dict, compare=False, repr=False
    )
    """What viewers get of it, by what they have got before: most have got the same."""


class TooManyStreams(Exception):
    """No more live pages can be followed."""


class Hub:
    """Reads one run for all who watch it, from the first viewer's coming to the last one's going."""

    def __init__(self, run_id: int, cursor: Cursor) -> None:
        self.run_id = run_id
        self.cursor = cursor
        self.queues: dict[asyncio.Queue[Snapshot | None], Login | None] = {}
        self._last: Snapshot | None = None
        """What was handed out last."""
        self._handed_at = time.monotonic()
        self._checked_at = time.monotonic()
        self.task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Read and hand out until the run is final or nobody watches."""
        try:
            while self.queues:
                snapshot = await read(self.run_id, self.cursor)
                if snapshot is None:
                    break
                self.cursor = _moved(self.cursor, snapshot)
                if self._is_news(snapshot):
                    self._hand_out(snapshot)
                    self._last, self._handed_at = snapshot, time.monotonic()
                if snapshot.is_final:
                    break
                await self._let_go()
                await asyncio.sleep(POLL_SECONDS)
        finally:
            self.end()

    def _is_news(self, snapshot: Snapshot) -> bool:
        """Whether viewers should hear of it. The estimate of what is left may move every second, and is told seldom."""
        if snapshot.points or self._last is None:
            return True
        told = self._last.progress
        if snapshot != replace(self._last, points=[], progress=told | {"left": snapshot.progress["left"]}):
            return True
        return snapshot.progress != told and time.monotonic() - self._handed_at >= LEFT_SECONDS

    def _hand_out(self, snapshot: Snapshot) -> None:
        for queue in list(self.queues):
            if queue.qsize() < LONGEST_QUEUE:
                queue.put_nowait(snapshot)
            else:  # too slow: its stream ends, and the browser comes back with its last step
                del self.queues[queue]
                queue.put_nowait(None)

    async def _let_go(self) -> None:
        """End the streams of those who may no longer come in."""
        if time.monotonic() - self._checked_at < CHECK_SECONDS:
            return
        self._checked_at = time.monotonic()
        valid = await check({login for login in self.queues.values() if login is not None}, self.run_id)
        for queue, login in list(self.queues.items()):
            if login is not None and login not in valid:
                del self.queues[queue]
                queue.put_nowait(None)

    def end(self) -> None:
        """Send all its viewers away; the browsers come back by themselves."""
        if hubs.get(self.run_id) is self:
            del hubs[self.run_id]
        for queue in self.queues:
            queue.put_nowait(None)


class OpenStream:
    """One of the streams that may be open."""


hubs: dict[int, Hub] = {}
"""By the id of their run."""
_taken: WeakSet[OpenStream] = WeakSet()
"""Weak, since the viewer of a stream that has not begun may go: then nothing runs that could give the place back."""


def take_place() -> OpenStream:
    """For `follow`. Raises TooManyStreams when so many are open, or about to be, as may be (RPT_WEB_STREAMS)."""
    if len(_taken) >= settings.RPT_WEB_STREAMS:
        raise TooManyStreams
    place = OpenStream()
    _taken.add(place)
    return place


async def follow(
    run_id: int,
    cursor: Cursor,
    seen: Seen,
    login: Login | None = None,
    place: OpenStream | None = None,
    parts: frozenset[str] = PARTS,
) -> AsyncIterator[str]:
    """The stream of one viewer, as lines of the event-stream format; it ends with the viewer's login.

    parts: what the viewer's page shows; changes of anything else are not sent.
    """
    queue: asyncio.Queue[Snapshot | None] = asyncio.Queue()
    hub = None
    try:
        yield "retry: 3000\n\n"
        first = await read_together(run_id, cursor)  # what this viewer has missed
        if first is None:
            return
        hub = _join(run_id, _moved(cursor, first), queue, login) if not first.is_final else None
        snapshot, progress = first, None
        while True:
            for line in _news(cursor, seen, progress, snapshot, parts):
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
        if place is not None:
            _taken.discard(place)
        if hub is not None:
            hub.queues.pop(queue, None)


_reading: dict[tuple[int, Cursor], asyncio.Task[Snapshot | None]] = {}


async def read_together(run_id: int, cursor: Cursor) -> Snapshot | None:
    """The same as `read`, once for all who ask while it is read: many viewers come back at one moment."""
    key = run_id, cursor
    task = _reading.get(key)
    if task is None or task.get_loop() is not asyncio.get_running_loop():
        task = _reading[key] = asyncio.create_task(read(run_id, cursor))
        task.add_done_callback(lambda _: _reading.pop(key, None))
    return await asyncio.shield(task)


async def check(logins: Iterable[Login], run_id: int) -> set[Login]:
    """Those of the logins that are still valid, of people who may still see the run."""
    return await asyncio.get_running_loop().run_in_executor(_readers, _check, set(logins), run_id)


def _check(logins: set[Login], run_id: int) -> set[Login]:
    try:
        valid = still_valid(logins)
        people = access.those_who_see(run_id, {login.user_id for login in valid})
        return {login for login in valid if login.user_id in people}
    finally:
        connection.close()


async def read(run_id: int, cursor: Cursor) -> Snapshot | None:
    """A snapshot from the database; None when the run is gone."""
    return await asyncio.get_running_loop().run_in_executor(_readers, _read, run_id, cursor)


WAITING = object()


async def _next(queue: asyncio.Queue[Snapshot | None]) -> Snapshot | object | None:
    try:
        async with asyncio.timeout(HEARTBEAT_SECONDS):  # unlike wait_for, it makes no task
            return await queue.get()
    except TimeoutError:
        return WAITING


def _join(run_id: int, cursor: Cursor, queue: asyncio.Queue[Snapshot | None], login: Login | None) -> Hub:
    hub = hubs.get(run_id)
    if hub is None or hub.task is None or hub.task.done():
        hub = hubs[run_id] = Hub(run_id, cursor)
    hub.queues[queue] = login
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


def parts_asked(text: str) -> frozenset[str]:
    """From "state,charts"; all for nothing, as a page asks that was opened before there were tabs."""
    return PARTS & set(text.split(",")) if text else PARTS


def _news(
    cursor: Cursor, seen: Seen, progress: dict[str, Any] | None, new: Snapshot, wanted: frozenset[str]
) -> list[str]:
    key = cursor, seen, progress != new.progress, wanted
    if key not in new.written:
        new.written[key] = _lines(cursor, seen, progress, new, wanted)
    return new.written[key]


def _lines(
    cursor: Cursor, seen: Seen, progress: dict[str, Any] | None, new: Snapshot, wanted: frozenset[str]
) -> list[str]:
    """What to tell a viewer of a snapshot, given what it has got before."""
    parts = [name for name, differs in _differences(cursor, seen, new) if differs and name in wanted]
    has_points = "metrics" in wanted and "charts" not in parts
    points = [point for point in new.points if point["step"] > cursor.step] if has_points else []
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
    """The parts of the page to be drawn again. A new attempt may have taken steps back; evaluations have charts too."""
    is_new_attempt, before, after = cursor.attempt != new.attempt, seen.newest, new.seen.newest
    return [
        ("state", seen.state != new.seen.state),
        ("tables", is_new_attempt or before.table != after.table),
        ("records", before.event != after.event),
        ("charts", is_new_attempt or before.evaluation != after.evaluation),
    ]


def _moved(cursor: Cursor, snapshot: Snapshot) -> Cursor:
    """The cursor after a snapshot."""
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
