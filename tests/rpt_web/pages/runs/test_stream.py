"""The live stream of a run: what it says, where it goes on after a break, when it ends, what it costs."""

from __future__ import annotations

import asyncio

import pytest

from rpt_core.run.folder import RunDir
from rpt_core.run.tables import emit_table
from rpt_web.pages.runs import stream
from rpt_web.runs import queries
from rpt_web.runs.models import Run, Status
from tests.factories import end_run, record, start_run
from tests.played_tables import played_tables
from tests.preset_runs import evaluate_policy, queued_rpt, rpt_step
from tests.rpt_web.pages.runs.streams import (
    collect,
    committed,
    refreshed,
    run_for_a_while,
    seen_now,
)

pytestmark = pytest.mark.django_db(transaction=True)


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
        record(run)
        Run.objects.filter(pk=run.pk).update(cancel_requested_at=run.created_at)

    changed = {"state", "records"}
    follow = stream.follow(run.pk, stream.Cursor(1, 5), seen_now(run))
    found = run_for_a_while(collect(follow, "refresh", between=cancel_and_log, parts=changed))
    assert refreshed(found) == changed


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
    assert stream.hubs == {}


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


@pytest.mark.parametrize(
    ("text", "cursor"), [("3-14", stream.Cursor(3, 14)), ("", None), ("3", None), ("x-y", None), ("-1-2", None)]
)
def test_keys_are_read_back(text, cursor):
    assert stream.Cursor.parse(text) == cursor


def test_the_time_left_alone_is_no_news_until_it_was_told_long_ago(monkeypatch):
    def snapshot(left, **more):
        seen = stream.Seen("1-Running", queries.Newest(0, 0, 0))
        return stream.Snapshot(1, seen, {"step": 1, "left": left} | more, [], False)

    hub = stream.Hub(1, stream.Cursor(1, 0))
    assert hub._is_news(snapshot("about 2 min")), "the first one"
    hub._last = snapshot("about 2 min")
    assert not hub._is_news(snapshot("about 2 min"))
    assert not hub._is_news(snapshot("about 3 min"))
    assert hub._is_news(snapshot("about 3 min", step=2))
    monkeypatch.setattr(stream, "LEFT_SECONDS", 0.0)
    assert hub._is_news(snapshot("about 3 min"))
    assert not hub._is_news(snapshot("about 2 min")), "as it was told"
