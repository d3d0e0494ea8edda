"""Every request has an id: in the log, on every error page, in the header X-Request-ID of every answer."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from rpt_web.serving import errors
from rpt_web.serving.logs import current_request

HEADER = "X-Request-ID"


@sync_and_async_middleware
def named(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """The outermost middleware. The id is ours alone: one that a caller sends could stand for another's request."""
    if iscoroutinefunction(get_response):
        answer = cast(Callable[[HttpRequest], Awaitable[HttpResponseBase]], get_response)

        async def named_async(request: HttpRequest) -> HttpResponseBase:
            name(request)
            current_request.set(request)  # of this request's own task, and so for as long as a stream lasts
            return _finished(request, await answer(request))

        return named_async

    def named_sync(request: HttpRequest) -> HttpResponseBase:
        name(request)
        token = current_request.set(request)
        try:
            return _finished(request, get_response(request))
        finally:
            current_request.reset(token)

    return named_sync


def name(request: HttpRequest) -> str:
    """The request's id, given when it has none yet."""
    if not hasattr(request, "request_id"):
        request.request_id = secrets.token_hex(8)  # type: ignore[attr-defined]  # Django has no such field
    return errors.request_id(request)


def _finished(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    response = errors.in_words(request, response)
    response.headers[HEADER] = errors.request_id(request)
    return response
