"""Limits on bodies stand before the application: it never sees what is too large or does not come on."""

from __future__ import annotations

import asyncio
import json

import pytest

from rpt_web.serving import bodies

SESSION = {b"cookie": b"csrftoken=x; sessionid=abc"}
TOKEN = {b"authorization": b"Bearer rpt_abc"}


def sent(path="/runs/new/", headers=None, parts=(b"",), announced=None, goes_on=False):
    """(status, body, what the application has seen) of a request; with `goes_on` the body never ends."""
    headers = dict(headers or {}) | ({} if announced is None else {b"content-length": str(announced).encode()})
    scope = {"type": "http", "path": path, "headers": list(headers.items())}
    left, seen, answers = list(parts), [], []

    async def receive():
        if not left:
            await asyncio.sleep(60)
        part = left.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(left) or goes_on}

    async def send(message):
        answers.append(message)

    async def application(scope, receive, send):
        seen.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    asyncio.run(bodies.limited(application)(scope, receive, send))
    return answers[0]["status"], answers[1]["body"], seen


def test_a_body_within_the_limit_comes_whole():
    assert sent(parts=(b"a", b"b" * 10)) == (200, b"ok", [b"a" + b"b" * 10])
    assert sent(headers=SESSION, parts=(b"a" * 1_000_000, b"b"))[0] == 200


@pytest.mark.parametrize("path", ["/login/", "/login/link/x/", "/runs/new/", "/api/v1/runs"])
def test_a_stranger_is_refused_by_what_is_announced_before_anything_is_read(path):
    status, body, seen = sent(path, announced=10**9, parts=())
    assert (status, seen) == (413, [])
    if path.startswith("/api/"):
        assert json.loads(body)["detail"].startswith("The body is too large. Send at most 20,000 bytes")
    else:
        assert b"The body is too large" in body


def test_a_body_that_does_not_say_its_length_is_refused_when_it_gets_too_large():
    assert sent(parts=(b"x" * 15_000,) * 9)[0::2] == (413, [])
    assert sent(headers=SESSION, parts=(b"x" * 1_500_000,) * 9)[0::2] == (413, [])


def test_who_shows_a_session_or_a_token_may_send_more_but_not_to_the_login_page():
    assert sent(headers=SESSION, announced=100_000, parts=(b"x" * 100_000,))[0] == 200
    assert sent("/api/v1/runs", TOKEN, announced=100_000, parts=(b"x" * 100_000,))[0] == 200
    assert sent("/login/", SESSION, announced=100_000, parts=())[0] == 413
    assert sent("/runs/new/", TOKEN, announced=100_000, parts=())[0] == 413


def test_half_a_body_is_given_up(monkeypatch):
    monkeypatch.setattr(bodies, "WAIT_SECONDS", 0.05)
    status, body, seen = sent(parts=(b"half",), goes_on=True)
    assert (status, seen) == (408, [])
    assert b"did not arrive in time" in body


def test_a_body_that_drips_is_given_up(monkeypatch):
    monkeypatch.setattr(bodies, "WHOLE_SECONDS", 0.05)
    assert sent(parts=(b"half",), goes_on=True)[0] == 408
