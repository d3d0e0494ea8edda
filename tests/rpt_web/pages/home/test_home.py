"""Home and the inbox: who is told what, what home shows of it, and what counts as read."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from rpt_web import access
from rpt_web.notices.models import LONGEST_TEXT, Notice, NoticeKind
from rpt_web.notices.services import mark_read, tell
from rpt_web.runs import services
from rpt_web.runs.models import Experiment, Status
from rpt_web.teams.models import Role, Team
from tests.factories import HOSTILE, end_run, make_experiment, make_user, record, start_run
from tests.rpt_web.markup import flat
from tests.suite_graphs import DIAMOND, end, play

HOME, INBOX = reverse("home:home"), reverse("home:inbox")


def told(user):
    return [(notice.kind, notice.text) for notice in Notice.objects.filter(user=user).order_by("id")]


@pytest.fixture
def suite(experiment, ada):
    services.submit_suite(experiment, DIAMOND, ada)
    return {run.name: run for run in experiment.runs.all()}


def test_the_owner_is_told_of_each_end_once(suite, ada):
    failed, events = start_run(suite["alone"])
    end_run(failed, events, Status.FAILED, error=f"Step 3: loss is not finite. {'x' * 1000}")
    succeeded, events = start_run(suite["base"])
    end_run(succeeded, events)
    (first, second) = told(ada)
    assert first[0] == NoticeKind.FAILED
    assert first[1].startswith("“alone” of First: It has failed. Step 3: loss is not finite.")
    assert len(first[1]) == LONGEST_TEXT
    assert second == (NoticeKind.SUCCEEDED, "“base” of First has succeeded.")
    assert not services.finish(succeeded, succeeded.attempt, Status.FAILED), "it has ended"
    assert len(told(ada)) == 2


def test_runs_that_succeed_share_a_notice_until_it_is_read(suite, ada):
    Experiment.objects.update(name="{Cards}")
    play(suite["base"].experiment, "base", "alone")
    services.advance(suite["base"].experiment_id)
    play(suite["base"].experiment, "left")
    assert told(ada) == [(NoticeKind.SUCCEEDED, "3 runs of {Cards} have succeeded.")]
    mark_read(Notice.objects.all())
    play(suite["base"].experiment, "right")
    assert told(ada)[1:] == [(NoticeKind.SUCCEEDED, "“right” of {Cards} has succeeded.")]


def test_somebody_who_cancels_tells_the_owners_and_not_themselves(suite, ada):
    head, bob = make_user("head", Role.ADMINISTRATOR), make_user("bob")
    suite["alone"].experiment.runs.filter(name="alone").update(created_by=bob)
    services.request_cancel(suite["base"], ada)
    assert told(ada) == []
    services.cancel_experiment(suite["base"].experiment, head)
    assert told(ada) == [(NoticeKind.CANCELLED, "head has cancelled 4 of your runs in First.")]
    assert told(bob) == [(NoticeKind.CANCELLED, "head has cancelled “alone” of First.")]
    assert told(head) == []


def test_a_notice_leads_to_its_run_and_counts_as_read_then(page, client, suite, ada):
    claimed, events = start_run(suite["alone"])
    end_run(claimed, events, Status.FAILED, error=HOSTILE)
    tell([ada.pk], NoticeKind.CANCELLED, "Three of them.", experiment_id=claimed.experiment_id)
    text = page(HOME)
    assert "Inbox: 2 unread" in text
    assert "<script>alert" not in text
    failed, other = Notice.objects.order_by("id")
    address = reverse("home:notice", args=[failed.pk])
    assert address in text
    assert client.head(address).status_code == 302, "to look whether it is there is not to read it"
    assert "Inbox: 2 unread" in page(HOME)
    assert client.get(address)["Location"] == reverse("runs:run_detail", args=[claimed.pk])
    assert "Inbox: 1 unread" in page(HOME)
    assert address in page(INBOX)
    assert address not in page(INBOX + "?show=unread")
    later = tell([ada.pk], NoticeKind.ALARM, "Look.", run_id=claimed.pk)[0]
    client.post(reverse("home:inbox_read"), {"newest": other.pk})
    assert list(Notice.objects.filter(read_at=None)) == [later], "what came after the page was not seen"


def test_an_inbox_is_ones_own_and_hides_what_one_may_see_no_more(page, client, suite, ada):
    claimed, events = start_run(suite["base"])
    end_run(claimed, events)
    tell([ada.pk], NoticeKind.ALARM, "Look at a thing.")
    notice = Notice.objects.earliest("id")
    client.force_login(make_user("bob"))
    assert client.get(reverse("home:notice", args=[notice.pk])).status_code == 404
    other = Team.objects.create(name="Other")
    ada.memberships.update(team=other)
    client.force_login(ada)
    text = page(INBOX)
    assert "Look at a thing." in text
    assert "has succeeded" not in text


def test_home_shows_what_failed_what_runs_and_what_is_new(page, suite, ada, django_assert_max_num_queries):
    claimed, events = start_run(suite["alone"])
    end_run(claimed, events, Status.FAILED, error="It was the disk.")
    running, events = start_run(suite["base"])
    events.emit("started", start_step=0, total_steps=10)
    events.emit("progress", step=4, total_steps=10, what="training")
    record(running)
    with CaptureQueriesContext(connection) as few:
        text = page(HOME)
    count = len(few)
    for shown in ("It was the disk.", "1 running", "4 waiting", "New experiment:", "base"):
        assert shown in text
    assert re.search(r'href="/results/"\s*>Results</a> ·', text), "beside the link of the bar"
    assert "progress" in page(HOME, headers={"HX-Target": "running"})
    for n in range(9):
        make_experiment(ada, f"more {n}")
    end(running)
    text = page(HOME)
    with django_assert_max_num_queries(count):
        page(HOME)
    assert "Run succeeded:" in text
    assert "No run of your teams is running." in text


def test_home_of_another_team_shows_nothing_of_this_one(client, suite):
    claimed, events = start_run(suite["alone"])
    end_run(claimed, events, Status.FAILED, error="It was the disk.")
    client.force_login(make_user("other", team=Team.objects.create(name="Other")))
    text = flat(client.get(HOME))
    assert "alone" not in text
    assert "First" not in text
    assert access.notices_for(make_user("carl")).count() == 0
