"""Calls of the API over HTTP: JSON in and out, refusals as exceptions, and calls that are tried again.

In: a method, a path below /api/v1 and values. Out: what was answered. A call is tried again when nothing answers or the
platform is busy (503). That is safe for every call: one that creates carries an `Idempotency-Key`, and the platform
carries it out once.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from rpt_core.client.errors import ClientError, NoAnswer, Refusal

API = "/api/v1"
TRIES = 5
LONGEST_WAIT_SECONDS = 30.0
PAGE = 500
"""Items of a page: as many as the platform gives."""


class Connection:
    """One platform and one token. Not to be shared between threads, as a `requests.Session` is not."""

    def __init__(self, url: str, token: str, timeout_seconds: float = 60.0) -> None:
        self.root = root_of(url)
        self.timeout_seconds = timeout_seconds
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {_checked(token)}"

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """The answer's JSON; None where there is none. Raises Refusal and NoAnswer."""
        response = self._send(method, path, body, query)
        if not response.content:
            return None
        try:
            return response.json()
        except requests.JSONDecodeError:
            raise NoAnswer(self._not_ours(response)) from None

    def data(self, path: str, **query: Any) -> bytes:
        """A file. Raises Refusal and NoAnswer."""
        return self._send("GET", path, None, query).content

    def items(self, path: str, limit: int | None = None, **query: Any) -> Iterator[dict[str, Any]]:
        """The items of a list, page after page; at most `limit`."""
        after, left = None, limit
        while left is None or left > 0:
            asked = PAGE if left is None else min(PAGE, left)
            page = self.call("GET", path, None, **query, after=after, limit=asked)
            yield from page["items"]
            after = page["next"]
            if after is None:
                return
            left = None if left is None else left - len(page["items"])

    def _send(self, method: str, path: str, body: Any, query: Mapping[str, Any]) -> requests.Response:
        headers = {} if method == "GET" else {"Idempotency-Key": uuid.uuid4().hex}
        given = {name: _written(value) for name, value in query.items() if value is not None}
        for tried in range(1, TRIES + 1):
            try:
                response = self._session.request(
                    method,
                    f"{self.root}{API}{path}",
                    params=given,
                    json=body,
                    headers=headers,
                    timeout=self.timeout_seconds,
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                if tried == TRIES:
                    raise NoAnswer(f"{self.root} does not answer: {_reason(error)}.") from None
                time.sleep(_pause(tried))
                continue
            if response.status_code != 503 or tried == TRIES:
                return self._accepted(response)
            time.sleep(_retry_after(response, tried))
        raise AssertionError("the last try has returned or raised")

    def _accepted(self, response: requests.Response) -> requests.Response:
        if response.is_redirect:
            raise ClientError(
                f"{self.root} sends its callers on to {response.headers['Location']}. Use the address that answers "
                "itself, with https:// where the platform has it."
            )
        if response.status_code < 400:
            return response
        try:
            refusal = response.json()
            detail = refusal["detail"]
        except (requests.JSONDecodeError, KeyError, TypeError):
            raise NoAnswer(self._not_ours(response)) from None
        raise Refusal(response.status_code, detail, refusal.get("errors"), refusal.get("findings", ()))

    def _not_ours(self, response: requests.Response) -> str:
        kind = response.headers.get("Content-Type", "nothing of a type").partition(";")[0]
        return (
            f"What answers at {self.root} is not the platform's API: status {response.status_code} with {kind}. Give "
            "the address that its pages have in a browser, such as http://127.0.0.1:8000."
        )


def root_of(url: str) -> str:
    """An address as people give it, without what follows the host; a path before /api is kept. Raises ClientError."""
    given = url.strip()
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.username is not None:
        raise ClientError(f"{url!r} is no address of a platform. Give one such as http://127.0.0.1:8000.")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix(API)}"


def _checked(token: str) -> str:
    """The token. requests would raise an error about headers for one that was copied with a line end."""
    found = token.strip()
    if not found or not found.isascii() or not found.isprintable() or " " in found:
        raise ClientError(
            "That is no API token: one is a single word that begins with rpt_. Your account page makes one."
        )
    return found


def _written(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _reason(error: requests.RequestException) -> str:
    """The innermost cause: requests wraps it in names of its own classes and its memory addresses."""
    if isinstance(error, requests.Timeout):
        return "it took too long"
    inner: BaseException = error
    while (cause := inner.__cause__ or inner.__context__) is not None:
        inner = cause
    return getattr(inner, "strerror", None) or type(inner).__name__


def _pause(tried: int) -> float:
    return min(LONGEST_WAIT_SECONDS, 0.25 * float(2**tried))


def _retry_after(response: requests.Response, tried: int) -> float:
    asked = response.headers.get("Retry-After", "")
    return min(LONGEST_WAIT_SECONDS, float(asked)) if asked.isdecimal() else _pause(tried)
