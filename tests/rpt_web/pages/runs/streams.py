"""Reading a live stream, for its tests."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import urlencode

from django.db import connection
from django.urls import reverse

from rpt_web.pages.runs import stream
from rpt_web.runs import queries


def seen_now(run):
    run.refresh_from_db()
    return stream.Seen(queries.head_of(run).key(run), queries.newest_events(run))


def stream_address(run, at):
    query = urlencode({"at": at, "state": queries.head_of(run).key(run), **queries.newest_events(run)._asdict()})
    return f"{reverse('runs:run_stream', args=[run.pk])}?{query}"


def parsed(text):
    """The events of a piece of stream as (name, data, id)."""
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"]), fields.get("id")))
    return found


def refreshed(found):
    """The parts of a page that the events ask to be drawn again."""
    return {part for name, data, _ in found if name == "refresh" for part in data["parts"]}


async def collect(iterator, until, between=None, parts=frozenset()):
    """Read a stream until an event of a name, and until its refreshes have named these parts; `between` is called once
    after the first events."""
    found = []
    async for text in iterator:
        found += parsed(text)
        if between is not None and found:
            await asyncio.to_thread(committed, between)
            between = None
        if any(name == until for name, _, _ in found) and parts <= refreshed(found):
            break
    await iterator.aclose()
    return found


def run_for_a_while(work):
    """Run a coroutine, for half a minute at most."""
    return asyncio.run(asyncio.wait_for(work, 30))


async def until(is_so):
    while not is_so():
        await asyncio.sleep(0.01)


def committed(work):
    try:
        work()
    finally:
        connection.close()
