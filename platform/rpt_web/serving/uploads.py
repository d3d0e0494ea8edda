"""Bodies of uploads go to their file as they come: never whole in memory, never first to another place on the disk.

    PATCH /.../uploads/ID --> Django, without the body: who asks, what for, is it allowed?
                                 it grants: the open file and what to note    it does not: its answer
                                        |                                          |
                                 the body is written piece by piece            is sent as it is

In: the ASGI application. Out: one that takes such requests apart, and leaves all others alone. A view that grants puts
a `Grant` into the request's scope (`give`). The request's thread is free again before the body comes, so a slow sender
holds none. What was noted is on the disk: when anything dies, at most the last SAVE_BYTES are sent again.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from django.http import HttpRequest

from rpt_core.errors import is_full_disk
from rpt_web.serving.bodies import Application, Message, Receive, Scope, Send

PATH = re.compile(r"/(corpora|api/v1)/uploads/[0-9a-f-]{36}")
SLOT = "rpt.upload"
GRANTED = 204
"""The status of a view that has given a grant."""
PIECE_BYTES = 1_000_000
"""Written at a time."""
SAVE_BYTES = 16_000_000
"""After so many the file is forced to the disk, and its length noted."""
WAIT_SECONDS = 30.0
"""For the next part of a body."""
WRITERS = 4
CHECKSUM_MISMATCH = 460
"""The status of the tus protocol."""
WORDS = {
    408: "The body did not come on. What has arrived is kept: ask for the offset, and continue there.",
    413: "More was sent than the upload has left. What fits is kept.",
    CHECKSUM_MISMATCH: "The checksum does not fit what has arrived. Nothing of it is kept: send it again.",
    507: "The disk is full. What has arrived is kept; tell an administrator, and go on later.",
}
logger = logging.getLogger(__name__)


@dataclass
class Grant:
    """Leave to add to a file: it is open at the offset, and locked."""

    file: BinaryIO
    offset: int
    length: int
    """Of the whole file."""
    note: Callable[[int], None]
    """Called with each offset that is safe on the disk, at last with the one that this request has reached."""
    checksum: tuple[str, bytes] | None = None
    """Algorithm and digest of the body, where the sender has given them: then it counts whole or not at all."""
    _unsaved: int = field(init=False, default=0)
    _start: int = field(init=False)
    _hash: Any = field(init=False)

    def __post_init__(self) -> None:
        self._start = self.offset
        self._hash = hashlib.new(self.checksum[0]) if self.checksum else None

    def write(self, data: bytes) -> None:
        """Append."""
        self.file.write(data)
        self.offset += len(data)
        self._unsaved += len(data)
        if self._hash is not None:
            self._hash.update(data)
        elif self._unsaved >= SAVE_BYTES:
            self._save()

    def close(self, is_whole: bool) -> bool:
        """Note what has come, and let go of the file. False for a whole body that does not fit its checksum."""
        fits = self.checksum is None or self._hash.digest() == self.checksum[1]
        try:
            if self.checksum is not None and not (is_whole and fits):
                self.file.flush()
                self.file.truncate(self._start)
                self.offset = self._start
            self._save()
        finally:
            self.file.close()
        return fits or not is_whole

    def _save(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())
        self._unsaved = 0
        self.note(self.offset)


def give(request: HttpRequest, grant: Grant) -> bool:
    """Hand a grant to the server; False when the server cannot stream a body, so that the caller can be refused."""
    slot = getattr(request, "scope", {}).get(SLOT)
    if slot is None:
        return False
    slot.append(grant)
    return True


def receiving(application: Application) -> Application:
    """The application, with bodies of uploads taken from it."""
    writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="upload")

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "PATCH" or not PATH.fullmatch(scope["path"]):
            await application(scope, receive, send)
            return
        slot: list[Grant] = []
        answer: list[Message] = []
        await application(_without_body(scope, slot), _empty(), _keeper(answer))
        if slot and answer[0]["status"] != GRANTED:
            slot.pop().file.close()
        if slot:
            status = await _take(slot[0], receive, writers)
            answer = _concluded(answer, status, slot[0].offset)
        for message in answer if slot else _closing(answer):
            await send(message)

    return serve


async def _take(grant: Grant, receive: Receive, writers: ThreadPoolExecutor) -> int:
    """Write the body to the file; returns the status of the answer."""
    status, fits = 0, True
    try:
        try:
            status = await _copy(grant, receive, writers)
        finally:  # also when the server is being stopped: what has come is noted
            closing = asyncio.get_running_loop().run_in_executor(writers, grant.close, status == GRANTED)
            fits = await asyncio.shield(closing)
    except OSError as error:
        if not is_full_disk(error):
            raise
        logger.error("an upload was stopped: %s", error)
        return 507
    return status if fits else CHECKSUM_MISMATCH


async def _copy(grant: Grant, receive: Receive, writers: ThreadPoolExecutor) -> int:
    parts, size = list[bytes](), 0
    while True:
        body, status = await _next_part(receive)
        room = grant.length - grant.offset - size
        parts.append(body[:room])
        size += len(parts[-1])
        status = 413 if len(body) > room else status
        if size >= PIECE_BYTES or (size and status):
            await asyncio.get_running_loop().run_in_executor(writers, grant.write, b"".join(parts))
            parts, size = [], 0
        if status:
            return status


async def _next_part(receive: Receive) -> tuple[bytes, int]:
    """A part of the body, and how that ends it: 204 when it is whole, 408 when no more will come, 0 when it goes on."""
    try:
        message = await asyncio.wait_for(receive(), WAIT_SECONDS)
    except TimeoutError:
        return b"", 408
    if message["type"] != "http.request":
        return b"", 408
    return message.get("body", b""), 0 if message.get("more_body", False) else GRANTED


def _without_body(scope: Scope, slot: list[Grant]) -> Scope:
    headers = [pair for pair in scope["headers"] if pair[0] not in (b"content-length", b"transfer-encoding")]
    return scope | {"headers": headers, SLOT: slot}


def _empty() -> Receive:
    """An empty body, and then nothing: whether the caller has gone is found out with the real one."""
    told = False

    async def receive() -> Message:
        nonlocal told
        if told:
            await asyncio.Event().wait()
        told = True
        return {"type": "http.request", "body": b"", "more_body": False}

    return receive


def _keeper(answer: list[Message]) -> Send:
    async def keep(message: Message) -> None:
        answer.append(message)

    return keep


def _closing(answer: list[Message]) -> list[Message]:
    """The same with a word that the connection ends: its body is not read."""
    start, *rest = answer
    return [{**start, "headers": [*start["headers"], (b"connection", b"close")]}, *rest]


def _concluded(answer: list[Message], status: int, offset: int) -> list[Message]:
    """The answer of the view with the status and the offset that came of it."""
    start, *_ = answer
    dropped = (b"content-length", b"content-type", b"upload-offset")
    headers = [pair for pair in start["headers"] if pair[0].lower() not in dropped]
    words = WORDS.get(status, "").encode()
    headers += [(b"upload-offset", str(offset).encode())]
    if words:
        headers += [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(words)).encode())]
        headers += [(b"connection", b"close")]
    return [{**start, "status": status, "headers": headers}, {"type": "http.response.body", "body": words}]
