"""Cancelling a waiting run or a whole experiment: nothing of it starts any more, whoever else acts meanwhile."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import connection, transaction

from rpt_core.errors import UserError
from rpt_web.runs import services
from rpt_web.runs.models import Status
from tests.suite_graphs import DIAMOND, at_once, claim, end, plan, planned, play, states

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_waiting_run_is_cancelled_at_once_and_comes_back_as_waiting_or_queued(diamond):
    left = diamond.runs.get(name="left")
    services.request_cancel(left, None)
    assert states(diamond)["left"] == "cancelled"
    services.retry(left, None)
    assert states(diamond)["left"] == "waiting"
    services.request_cancel(left, None)
    play(diamond, "base")
    assert states(diamond)["left"] == "cancelled"
    services.retry(left, None)
    assert states(diamond)["left"] == "queued", "what it needs has succeeded meanwhile"


def test_a_cancel_and_an_advance_at_the_same_time_leave_a_cancelled_run(experiment):
    for number in range(8):
        first, then = planned(f"a{number}"), planned(f"b{number}", f"@a{number}/checkpoint")
        services.submit_suite(experiment, plan(first, then), None)
        waiting, running = experiment.runs.get(name=then.name), claim(experiment, first.name)
        at_once(lambda run=running: end(run), lambda run=waiting: services.request_cancel(run, None))
        assert states(experiment)[then.name] == "cancelled"


def test_a_whole_experiment_is_cancelled_and_nothing_of_it_starts_any_more(diamond, experiment):
    other = services.create_experiment("Other", None)
    services.submit_suite(other, DIAMOND, None)
    play(diamond, "base")
    right = claim(diamond, "right")
    asked = services.cancel_experiment(diamond, None)
    assert {run.name: str(run.status) for run in asked} == {
        "left": "queued",
        "right": "running",
        "both": "waiting",
        "end": "waiting",
        "alone": "queued",
    }
    cancelled = dict.fromkeys(["left", "both", "end", "alone"], "cancelled")
    assert states(diamond) == {"base": "succeeded", "right": "running", **cancelled}
    assert services.is_cancel_requested(right)
    ended = diamond.runs.filter(status=Status.CANCELLED)
    assert all(run.finished_at and run.cancel_requested_at for run in ended)
    assert diamond.runs.get(name="base").cancel_requested_at is None
    end(right)  # before the request has reached it: a success, but nothing follows
    assert services.advance(diamond.pk) == []
    assert states(diamond) == {"base": "succeeded", "right": "succeeded", **cancelled}
    assert states(other)["base"] == "queued"
    with pytest.raises(UserError, match="every run of this experiment has ended"):
        services.cancel_experiment(diamond, None)


def test_a_cancelled_experiment_comes_back_as_it_was(diamond):
    services.cancel_experiment(diamond, None)
    services.resubmit(diamond, None)
    assert states(diamond)["base"] == "queued"
    assert states(diamond)["left"] == "waiting"
    play(diamond, "base", "left", "right", "both", "end", "alone")


def test_a_whole_cancel_and_an_end_at_the_same_time_start_nothing():
    for number in range(8):
        experiment = services.create_experiment(f"Race {number}", None)
        services.submit_suite(experiment, DIAMOND, None)
        base = claim(experiment, "base")
        at_once(lambda run=base: end(run), lambda of=experiment: services.cancel_experiment(of, None))
        names = ["left", "right", "both", "end", "alone"]
        assert states(experiment) == {"base": "succeeded", **dict.fromkeys(names, "cancelled")}


@pytest.mark.parametrize("act", [services.hand_back, lambda run: services.claim(run.pk, "w")])
def test_a_whole_cancel_misses_no_run_that_changes_meanwhile(diamond, act):
    """One goes back to the queue, or is claimed, while the cancel waits for its row."""
    run = claim(diamond, "base") if act is services.hand_back else diamond.runs.get(name="base")
    cancel = threading.Thread(target=_cancel_and_close, args=[diamond])
    with transaction.atomic():
        act(run)
        cancel.start()
        wait_for_a_lock()
    cancel.join()
    run.refresh_from_db()
    assert run.cancel_requested_at is not None
    assert run.status == (Status.CANCELLED if act is services.hand_back else Status.RUNNING)


def _cancel_and_close(experiment):
    services.cancel_experiment(experiment, None)
    connection.close()


def wait_for_a_lock():
    """Until another connection waits for a row that this one has changed."""
    for _ in range(500):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.01)
    pytest.fail("Nobody waited for the row.")
