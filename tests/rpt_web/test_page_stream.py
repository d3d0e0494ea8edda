"""The live stream of a run: what it says, where it goes on after a break, when it ends, what it costs."""

from __future__ import annotations

import asyncio
import http.client
import json
from contextlib import ExitStack
from urllib.parse import urlencode

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection, connections, transaction
from django.test import AsyncClient
from django.urls import reverse

from rpt_core.result_tables import emit_table
from rpt_core.run_dir import RunDir
from rpt_web.runs import queries, stream
from rpt_web.runs.models import Run, Status
from tests.factories import end_run, make_experiment, make_user, record, start_run
from tests.played_tables import played_tables
from tests.preset_runs import evaluate_policy, finish_run, queued_rpt, rpt_step, running_rpt
from tests.web_server import web_server

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def running(monkeypatch):
    """An RPT run after 5 steps, and how to go on with it."""
    monkeypatch.setattr(stream, "POLL_SECONDS", 0.05)
    user = make_user()
    experiment = make_experiment(user)
    for name in ("base", "filter", "cold-filter", "cold"):
        finish_run(experiment, name, user)
    yield running_rpt(experiment, user, done=5, groups=1)
    for run in Run.objects.all():
        run.delete()


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


async def collect(iterator, until, between=None):
    """Read a stream until an event of a name; `between` is called once after the first events."""
    found = []
    async for text in iterator:
        found += parsed(text)
        if between is not None and found:
            await asyncio.to_thread(committed, between)
            between = None
        if any(name == until for name, _, _ in found):
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


def test_new_metrics_come_with_the_key_from_which_to_go_on(running):
    run, events = running

    def step():
        rpt_step(run, events, 6, 1)
        record(run)

    found = run_for_a_while(collect(stream.follow(run.pk, stream.Cursor(1, 5), seen_now(run)), "metrics", between=step))
    _, data, key = next(event for event in found if event[0] == "metrics")
    assert [point["step"] for point in data["points"]] == [6]
    assert data["points"][0]["values"]["reward_mean"] == run.metrics.get(step=6).values["reward_mean"]
    assert key == "1-6"


def test_a_viewer_who_comes_back_gets_what_was_missed_and_nothing_twice(running):
    run, _ = running
    found = run_for_a_while(collect(stream.follow(run.pk, stream.Cursor(1, 2), seen_now(run)), "metrics"))
    assert [point["step"] for point in found[0][1]["points"]] == [3, 4, 5]
    assert found[0][2] == "1-5"


def test_a_new_attempt_has_the_charts_drawn_anew(running):
    run, _ = running
    found = run_for_a_while(collect(stream.follow(run.pk, stream.Cursor(0, 9), seen_now(run)), "refresh"))
    assert ("refresh", {"parts": ["tables", "charts"]}, None) in found
    assert not any(name == "metrics" for name, _, _ in found)


def test_progress_is_told_with_the_time_left(running):
    run, _ = running
    found = run_for_a_while(collect(stream.follow(run.pk, stream.Cursor(1, 5), seen_now(run)), "progress"))
    name, data, _ = found[0]
    assert (name, data["step"], data["total"]) == ("progress", 5, 80)
    assert data["left"] == "about 4 min"  # 75 steps of 3.6 s, less than 4.5 minutes
    assert data["share"] == 5 / 80


def test_new_events_and_a_new_state_have_their_parts_drawn_anew(running):
    run, events = running

    def cancel_and_log():
        events.emit("log", level="info", message="hello")
        with transaction.atomic():  # seen together
            record(run)
            Run.objects.filter(pk=run.pk).update(cancel_requested_at=run.created_at)

    seen = seen_now(run)
    found = run_for_a_while(
        collect(stream.follow(run.pk, stream.Cursor(1, 5), seen), "refresh", between=cancel_and_log)
    )
    assert {"state", "records"} == {part for name, data, _ in found if name == "refresh" for part in data["parts"]}


def test_the_first_rollouts_have_the_head_with_its_link_drawn_anew(running):
    run, _ = running
    queued = queued_rpt(run.experiment, run.created_by)
    fresh, fresh_events = start_run(queued)

    def sample(step):
        rpt_step(fresh, fresh_events, step, 1)
        record(fresh)

    seen = seen_now(fresh)
    found = run_for_a_while(
        collect(stream.follow(fresh.pk, stream.Cursor(1, 0), seen), "refresh", between=lambda: sample(1))
    )
    assert "state" in next(data["parts"] for name, data, _ in found if name == "refresh")

    seen = seen_now(fresh)
    found = run_for_a_while(
        collect(stream.follow(fresh.pk, stream.Cursor(1, 1), seen), "metrics", between=lambda: sample(2))
    )
    assert not any("state" in data["parts"] for name, data, _ in found if name == "refresh")


def test_what_a_waiting_run_waits_for_is_drawn_anew_as_it_goes_on(running):
    run, events = running
    waiting = Run.objects.create(
        experiment=run.experiment, name="after", stage="evaluate", status=Status.WAITING, config={}, needs=[run.name]
    )

    def end():
        end_run(run, events, Status.SUCCEEDED)

    seen = seen_now(waiting)
    found = run_for_a_while(collect(stream.follow(waiting.pk, stream.Cursor(0, 0), seen), "refresh", between=end))
    assert ("refresh", {"parts": ["state"]}, None) in found


def test_a_new_result_table_has_the_tables_drawn_anew(running):
    run, events = running

    def add_table():
        emit_table(RunDir(run.directory), events, played_tables("analyse")[0])
        record(run)

    seen = seen_now(run)
    found = run_for_a_while(collect(stream.follow(run.pk, stream.Cursor(1, 5), seen), "refresh", between=add_table))
    assert ("refresh", {"parts": ["tables", "records"]}, None) in found


def test_a_new_evaluation_has_its_charts_drawn_anew(running):
    run, events = running

    def evaluate():
        evaluate_policy(run, events, 6)
        record(run)

    found = run_for_a_while(
        collect(stream.follow(run.pk, stream.Cursor(1, 5), seen_now(run)), "refresh", between=evaluate)
    )
    assert found[-1][1]["parts"] == ["records", "charts"]


def test_the_stream_ends_with_the_run(running):
    run, events = running

    def end():
        events.emit("finished", result={})
        end_run(Run.objects.get(pk=run.pk), events, Status.SUCCEEDED)

    found = run_for_a_while(collect(stream.follow(run.pk, stream.Cursor(1, 5), seen_now(run)), "end", between=end))
    assert found[-1] == ("end", {}, None)
    assert stream._hubs == {}


def test_the_stream_of_an_ended_run_ends_at_once(running):
    run, events = running
    end_run(run, events, Status.CANCELLED)
    found = run_for_a_while(collect(stream.follow(run.pk, stream.Cursor(1, 5), seen_now(run)), "end"))
    assert found[-1][0] == "end"


def test_the_stream_ends_when_the_run_is_deleted(running):
    run, _ = running

    async def read_to_the_end():
        iterator = stream.follow(run.pk, stream.Cursor(1, 5), stream.Seen("", queries.Newest(0, 0, 0)))
        await anext(iterator)
        await anext(iterator)
        await asyncio.to_thread(committed, lambda: Run.objects.get(pk=run.pk).delete())
        return [text async for text in iterator]

    assert run_for_a_while(read_to_the_end()) is not None


def test_many_viewers_share_one_reader(running, monkeypatch):
    run, events = running
    reads, handed_out = [], []
    read, hand_out = stream._read, stream.Hub._hand_out
    monkeypatch.setattr(stream, "_read", lambda *arguments: reads.append(1) or read(*arguments))
    monkeypatch.setattr(stream.Hub, "_hand_out", lambda *arguments: handed_out.append(1) or hand_out(*arguments))
    seen = seen_now(run)

    async def watch():
        viewers = [
            asyncio.create_task(collect(stream.follow(run.pk, stream.Cursor(1, 5), seen), "metrics")) for _ in range(20)
        ]
        await until(lambda: run.pk in stream._hubs and len(stream._hubs[run.pk].queues) == 20)
        reads.clear()
        handed_out.clear()
        await until(lambda: len(handed_out) >= 5)
        counts = len(stream._hubs), len(reads), len(handed_out)
        await asyncio.to_thread(committed, lambda: (rpt_step(run, events, 6, 1), record(run)))
        return await asyncio.gather(*viewers), *counts

    found, hubs, reads_for_all, snapshots = run_for_a_while(watch())
    assert hubs == 1
    assert reads_for_all <= snapshots + 1  # one may be on its way
    assert all([point["step"] for point in events_[-1][1]["points"]] == [6] for events_ in found)


def test_a_viewer_who_does_not_read_is_let_go(running, monkeypatch):
    run, _ = running
    monkeypatch.setattr(stream, "LONGEST_QUEUE", 2)

    async def fall_behind():
        iterator = stream.follow(run.pk, stream.Cursor(1, 5), stream.Seen("", queries.Newest(0, 0, 0)))
        await anext(iterator)
        await anext(iterator)
        await asyncio.sleep(0.6)
        left = [text async for text in iterator]
        return left

    assert run_for_a_while(fall_behind()) is not None
    assert stream._hubs == {}


@pytest.mark.parametrize(
    ("text", "cursor"), [("3-14", stream.Cursor(3, 14)), ("", None), ("3", None), ("x-y", None), ("-1-2", None)]
)
def test_keys_are_read_back(text, cursor):
    assert stream.Cursor.parse(text) == cursor


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
