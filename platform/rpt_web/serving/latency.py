"""How long requests take, by route, for Prometheus. A stream counts until it begins.

In: every request. Out: a histogram in the web server's memory; it starts at zero with the server.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware
from prometheus_client import CollectorRegistry, Histogram

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
NO_ROUTE = "none"
registry = CollectorRegistry()
request_seconds = Histogram(
    "rpt_request_seconds",
    "Time to the first byte of the answer, by route, method and status.",
    ["route", "method", "status"],
    buckets=BUCKETS,
    registry=registry,
)


@sync_and_async_middleware
def timed(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Below the one that names requests, above all others."""
    if iscoroutinefunction(get_response):
        answer = cast(Callable[[HttpRequest], Awaitable[HttpResponseBase]], get_response)

        async def timed_async(request: HttpRequest) -> HttpResponseBase:
            start = time.perf_counter()
            return _noted(request, await answer(request), start)

        return timed_async

    def timed_sync(request: HttpRequest) -> HttpResponseBase:
        start = time.perf_counter()
        return _noted(request, get_response(request), start)

    return timed_sync


def _noted(request: HttpRequest, response: HttpResponseBase, start: float) -> HttpResponseBase:
    """The response. The route, not the address: one series for each, and no ids in it."""
    match = getattr(request, "resolver_match", None)
    route = f"/{match.route}" if match else NO_ROUTE
    method = request.method if request.method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE") else "other"
    request_seconds.labels(route, method, response.status_code).observe(time.perf_counter() - start)
    return response
