"""The viewers of a live stream: who may follow, how many, what they cost, when they are let go."""

from __future__ import annotations

import asyncio
import http.client
import itertools
from contextlib import ExitStack

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection, connections
from django.test import AsyncClient
from django.urls import reverse

from rpt_web.pages.runs import stream
from rpt_web.runs import queries
from rpt_web.teams import sessions
from rpt_web.teams.models import User
from tests.factories import record
from tests.preset_runs import rpt_step
from tests.rpt_web.pages.runs.streams import (
    collect,
    committed,
    parsed,
    run_for_a_while,
    seen_now,
    stream_address,
    until,
)
from tests.web_server import web_server

pytestmark = pytest.mark.django_db(transaction=True)


def test_many_viewers_share_one_reader(running, monkeypatch):
    run, events = running
    reads, rounds = [], []
    read, let_go = stream._read, stream.Hub._let_go
    monkeypatch.setattr(stream, "_read", lambda *arguments: reads.append(1) or read(*arguments))
    monkeypatch.setattr(stream.Hub, "_let_go", lambda *arguments: rounds.append(1) or let_go(*arguments))
    seen = seen_now(run)

    async def watch():
        viewers = [
            asyncio.create_task(collect(stream.follow(run.pk, stream.Cursor(1, 5), seen), "metrics")) for _ in range(20)
        ]
        await until(lambda: run.pk in stream.hubs and len(stream.hubs[run.pk].queues) == 20)
        reads.clear()
        rounds.clear()
        await until(lambda: len(rounds) >= 5)
        counts = len(stream.hubs), len(reads), len(rounds)
        await asyncio.to_thread(committed, lambda: (rpt_step(run, events, 6, 1), record(run)))
        return await asyncio.gather(*viewers), *counts

    found, hubs, reads_for_all, rounds_of_all = run_for_a_while(watch())
    assert hubs == 1
    assert reads_for_all <= rounds_of_all + 1  # one may be on its way
    assert all([point["step"] for point in events_[-1][1]["points"]] == [6] for events_ in found)


def test_a_viewer_who_does_not_read_is_let_go(running, monkeypatch):
    run, _ = running
    monkeypatch.setattr(stream, "LONGEST_QUEUE", 2)
    steps = itertools.count()
    monkeypatch.setattr(
        stream, "progress_of", lambda run: {"step": next(steps), "left": None}
    )  # something new in each round

    async def fall_behind():
        iterator = stream.follow(run.pk, stream.Cursor(1, 5), stream.Seen("", queries.Newest(0, 0, 0)))
        await anext(iterator)
        await anext(iterator)
        await asyncio.sleep(0.6)
        left = [text async for text in iterator]
        return left

    assert run_for_a_while(fall_behind()) is not None
    assert stream.hubs == {}


def test_a_quiet_run_sends_a_heartbeat(running, monkeypatch):
    run, _ = running
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.3)
    seen = seen_now(run)

    async def wait_for_it():
        iterator = stream.follow(run.pk, stream.Cursor(1, 5), seen)
        found = [await anext(iterator) for _ in range(4)]
        await iterator.aclose()
        return found

    assert run_for_a_while(wait_for_it())[-2:] == [": still here\n\n"] * 2


@pytest.mark.parametrize("how", ["deactivated", "logged out", "new password", "out of the team"])
def test_a_stream_ends_with_the_login_of_its_viewer(running, monkeypatch, client, how):
    run, _ = running
    monkeypatch.setattr(stream, "CHECK_SECONDS", 0.1)
    user = run.created_by
    client.force_login(user)
    login = sessions.Login(client.session.session_key, user.pk, user.get_session_auth_hash())
    seen = seen_now(run)

    def end_login():
        if how == "deactivated":
            User.objects.filter(pk=user.pk).update(is_active=False)
        elif how == "logged out":
            Session.objects.filter(pk=login.session_key).delete()
        elif how == "out of the team":
            user.memberships.all().delete()
        else:
            user.set_password("another one")
            user.save()

    async def watch():
        stays = stream.follow(run.pk, stream.Cursor(1, 5), seen)
        ends = stream.follow(run.pk, stream.Cursor(1, 5), seen, login)
        for one in (stays, ends):
            await anext(one), await anext(one)
        await asyncio.to_thread(committed, end_login)
        left = [text async for text in ends]
        still_there = len(stream.hubs[run.pk].queues)
        await stays.aclose()
        return left, still_there

    left, still_there = run_for_a_while(watch())
    assert not any("event:" in text for text in left)
    assert still_there == 1


def test_more_streams_than_may_be_are_refused_and_may_try_again(running, settings):
    run, _ = running
    settings.RPT_WEB_STREAMS = 0
    user, address = run.created_by, stream_address(run, "1-4")

    async def ask():
        client = AsyncClient()
        await client.aforce_login(user)
        response = await client.get(address)
        await sync_to_async(connections.close_all)()
        return response

    response = run_for_a_while(ask())
    assert (response.status_code, response["Retry-After"]) == (503, "5")


def test_the_view_streams_to_members_and_holds_no_connection(running):
    run, _ = running
    user, address = run.created_by, stream_address(run, "1-4")

    async def open_stream():
        client = AsyncClient()
        await client.aforce_login(user)
        response = await client.get(address, headers={"Last-Event-ID": "1-3"})
        assert response["Content-Type"] == "text/event-stream"
        chunks = []
        async for chunk in response.streaming_content:
            chunks.append(chunk.decode())
            if "metrics" in chunk.decode():
                break
        await sync_to_async(connections.close_all)()
        return "".join(chunks)

    [(_, data, _)] = [event for event in parsed(run_for_a_while(open_stream())) if event[0] == "metrics"]
    assert [point["step"] for point in data["points"]] == [4, 5]  # the header, which a browser sends, goes first


def test_the_view_refuses_strangers_and_unknown_runs(running):
    run, _ = running
    user = run.created_by

    async def ask():
        client = AsyncClient()
        stranger = await client.get(reverse("runs:run_stream", args=[run.pk]))
        await client.aforce_login(user)
        unknown = await client.get(reverse("runs:run_stream", args=[999999]))
        await sync_to_async(connections.close_all)()
        return stranger.status_code, unknown.status_code

    assert run_for_a_while(ask()) == (302, 404)


def test_open_streams_hold_no_database_connections(running, client):
    run, _ = running
    client.force_login(run.created_by)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    with web_server() as port, ExitStack() as open_streams:
        for _ in range(15):
            stream_ = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            open_streams.callback(stream_.close)
            cookie = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session}"}
            stream_.request("GET", stream_address(run, "1-0"), headers=cookie)
            assert b"metrics" in _read_until(stream_.getresponse(), b"metrics")
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            [number] = cursor.fetchone()
    assert number <= 4  # this test's own, and the readers' while they read


def _read_until(response, wanted):
    found = b""
    while wanted not in found:
        found += response.readline()
    return found


def test_streams_that_are_about_to_begin_count_and_give_their_places_back(settings):
    settings.RPT_WEB_STREAMS = 2
    begun = [
        stream.follow(1, stream.Cursor(1, 0), stream.Seen("", queries.Newest(0, 0, 0)), place=stream.take_place())
        for _ in range(2)
    ]
    with pytest.raises(stream.TooManyStreams):
        stream.take_place()
    del begun[0]  # its viewer has gone before the first line
    assert stream.take_place() is not None
