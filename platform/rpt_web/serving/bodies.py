"""Limits on what is sent: Django keeps a whole body on disk before it asks who has sent it, so they stand before it.

In: the ASGI application. Out: one that answers 413 as soon as a body is known to be too large, by what it announces or
by what has come, and 408 when a body does not come on; as JSON under /api/, else as a page. Whoever shows neither a
session nor a token gets little, and so does everybody at the login page. Whether they are valid is decided later.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from html import escape
from typing import Any

from rpt_web.serving.problems import MEDIA_TYPE, members

MOST_BYTES, MOST_BYTES_UNKNOWN = 2_000_000, 20_000
"""Of a body: from somebody with a session or a token, and from anybody else. The largest config takes some 100 KB."""
WAIT_SECONDS, WHOLE_SECONDS = 20.0, 60.0
"""For the next part of a body, and for the whole of it."""
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = dict[str, Any]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class _Refused(Exception):
    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.code = status


def limited(application: Application) -> Application:
    """The application behind the limits."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        most = most_bytes(scope)
        try:
            _check(_announced(scope), most)
            body = await _whole(receive, most)
        except _Refused as refused:
            await _answer(scope, send, refused)
            return
        await application(scope, _again(body, receive), send)

    return serve


def most_bytes(scope: Scope) -> int:
    """The largest body that this request may have."""
    headers = dict(scope["headers"])
    has_token = headers.get(b"authorization", b"").startswith(b"Bearer rpt_") and scope["path"].startswith("/api/")
    has_session = b"sessionid=" in headers.get(b"cookie", b"")
    is_known = (has_token or has_session) and not scope["path"].startswith("/login/")
    return MOST_BYTES if is_known else MOST_BYTES_UNKNOWN


def _announced(scope: Scope) -> int:
    length = dict(scope["headers"]).get(b"content-length", b"0")
    return int(length) if length.isdigit() else 0


def _check(size: int, most: int) -> None:
    if size > most:
        raise _Refused(
            413, f"The body is too large. Send at most {most:,} bytes; you may send more when you are logged in."
        )


async def _whole(receive: Receive, most: int) -> Message:
    """The body in one message, or the message that the caller has gone."""
    parts, size = list[bytes](), 0
    try:
        async with asyncio.timeout(WHOLE_SECONDS):
            while True:
                message = await asyncio.wait_for(receive(), WAIT_SECONDS)
                if message["type"] != "http.request":
                    return message
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                _check(size, most)
                if not message.get("more_body", False):
                    return {"type": "http.request", "body": b"".join(parts), "more_body": False}
    except TimeoutError:
        raise _Refused(408, "The body did not arrive in time. Send it again.") from None


def _again(first: Message, receive: Receive) -> Receive:
    """What was received, and then what comes."""
    waiting = [first]

    async def next_message() -> Message:
        return waiting.pop() if waiting else await receive()

    return next_message


async def _answer(scope: Scope, send: Send, refused: _Refused) -> None:
    is_api = scope["path"].startswith("/api/")
    words = str(refused)
    page = f"<!doctype html><title>{refused.code}</title><p>{escape(words)}"
    body = json.dumps(members(refused.code, words)) if is_api else page
    kind = MEDIA_TYPE if is_api else "text/html; charset=utf-8"
    headers = {"content-type": kind, "content-length": str(len(body)), "connection": "close"}
    start = {"type": "http.response.start", "status": refused.code}
    await send(start | {"headers": [(name.encode(), value.encode()) for name, value in headers.items()]})
    await send({"type": "http.response.body", "body": body.encode()})
