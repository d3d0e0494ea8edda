"""How many requests are answered at once, and what becomes of the others.

    free threads (RPT_WEB_THREADS) --take--> the request's thread --give--> the next in the queue

A request is answered on one of a fixed number of threads, each with at most one database connection, which goes back to
the pool before the answer is sent. When all are busy it waits for its turn; when too many wait, or it waits too long,
it gets 503 with Retry-After. A stream leaves its thread as soon as it has begun. A body is read before, so that a slow
sender holds no thread. Under a server without asyncio, as in most tests, requests come one by one and nothing waits.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from asgiref.sync import ThreadSensitiveContext
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.db import connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from rpt_web.serving import errors, requests
from rpt_web.serving.logs import current_request

RETRY_AFTER_SECONDS = 5
SAY_EVERY_SECONDS = 10.0
POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; font-src 'self'"
logger = logging.getLogger(__name__)


class Busy(Exception):
    """Too many requests wait, or this one has waited too long."""


class Threads:
    """A fixed number of threads, handed out one request each, in the order in which requests came."""

    def __init__(self, number: int, longest_queue: int, patience_seconds: float) -> None:
        self._free = [ThreadPoolExecutor(1, thread_name_prefix=f"request-{place}") for place in range(number)]
        self._waiting: deque[asyncio.Future[ThreadPoolExecutor]] = deque()
        self._longest_queue = longest_queue
        self._patience_seconds = patience_seconds

    @asynccontextmanager
    async def one(self) -> AsyncIterator[ThreadPoolExecutor]:
        """A thread for the length of the block. Raises Busy when there will be none soon enough."""
        thread = self._free.pop() if self._free else await self._turn()
        try:
            yield thread
        finally:
            self._give(thread)

    async def _turn(self) -> ThreadPoolExecutor:
        if len(self._waiting) >= self._longest_queue:
            raise Busy
        place: asyncio.Future[ThreadPoolExecutor] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout(self._patience_seconds):
                return await asyncio.shield(place)
        except TimeoutError:
            self._leave(place)
            raise Busy from None
        except asyncio.CancelledError:  # the caller has gone
            self._leave(place)
            raise

    def _leave(self, place: asyncio.Future[ThreadPoolExecutor]) -> None:
        """Out of the queue; a thread that came in the same instant goes to the next."""
        if place.done():
            self._give(place.result())
        else:
            self._waiting.remove(place)

    def _give(self, thread: ThreadPoolExecutor) -> None:
        if self._waiting:
            self._waiting.popleft().set_result(thread)
        else:
            self._free.append(thread)


def connections_given_back(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], Any]:
    """A middleware: a caller that takes its answer slowly holds no connection."""

    def give_back(request: HttpRequest) -> HttpResponseBase:
        try:
            return get_response(request)
        finally:
            for connection in connections.all(initialized_only=True):
                if not connection.in_atomic_block:  # as in a test, which continues with it
                    connection.close_if_unusable_or_obsolete()

    return give_back


def busy(request: HttpRequest) -> HttpResponse:
    """503, to be asked again a little later."""
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS), "Cache-Control": "no-store", "Content-Security-Policy": POLICY}
    response = errors.answer(request, 503, headers=headers)
    response._has_been_logged = True  # type: ignore[attr-defined] # one line stands for all of them
    return response


class Handler(ASGIHandler):
    """Django's, with a limit: a thread for the request, or 503.

    Signals and tidying up all requests do on one thread, instead of each on a new one. This is no middleware: Django
    would run one in the thread of those below it, where there is nothing left to wait for.
    """

    def __init__(self) -> None:
        super().__init__()
        self._tidying = ThreadPoolExecutor(1, thread_name_prefix="tidying")
        self._threads = Threads(settings.RPT_WEB_THREADS, settings.RPT_WEB_QUEUE, settings.RPT_WEB_PATIENCE_SECONDS)
        self._said_at = -SAY_EVERY_SECONDS

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        async with ThreadSensitiveContext(executor=self._tidying):
            await self.handle(scope, receive, send)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        """The answer, from a thread of the request's own; 503 when there is none soon enough."""
        identity = requests.name(request)
        current_request.set(request)  # of this request's own task, and so for as long as a stream lasts
        try:
            async with self._threads.one() as thread, ThreadSensitiveContext(executor=thread):
                return await super().get_response_async(request)
        except Busy:
            self._say_busy()
            response = busy(request)
            response.headers[requests.HEADER] = identity
            return response

    def _say_busy(self) -> None:
        if time.monotonic() - self._said_at > SAY_EVERY_SECONDS:
            self._said_at = time.monotonic()
            logger.warning("more requests than can be answered: some get 503")
