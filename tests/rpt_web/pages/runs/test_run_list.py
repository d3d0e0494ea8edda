"""The page of all runs: what can be found there, in which order the queue is, and who may change it."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.pages.runs import run_list
from rpt_web.runs import places, services
from rpt_web.runs.models import Deed, Run, Status
from rpt_web.runs.places import Move
from rpt_web.teams.membership import join
from rpt_web.teams.models import Role, Team
from tests.factories import HOSTILE, make_experiment, make_user
from tests.rpt_web.api_client import CONFIG
from tests.rpt_web.markup import flat

LIST = "/runs/"


@pytest.fixture
def submit(experiment):
    """submit(name, user, queue=...) -> a queued run."""
    from rpt_core.config import RptConfig

    def submit(name, user=None, into=None, **fields):
        run = services.submit(into or experiment, name, RptConfig.model_validate(CONFIG), user)
        Run.objects.filter(pk=run.pk).update(**fields)
        run.refresh_from_db()
        return run

    return submit


def names(text):
    return re.findall(r'class="main-link" href="/runs/\d+/">([^<]+)<', text)


def order():
    return list(places.in_order("default").values_list("name", flat=True))


def test_runs_are_listed_newest_first_with_their_experiment(page, submit, experiment):
    for name in ("a", "b", "c"):
        submit(name)
    text = page(LIST)
    assert names(text) == ["c", "b", "a"]
    assert f'href="{reverse("experiments:experiment_detail", args=[experiment.pk])}">First</a>' in text


def test_filters_stand_in_the_address_and_states_are_counted_under_them(page, submit, ada):
    grace = make_user("grace")
    submit("mine", ada, status=Status.FAILED)
    submit("hers", grace, status=Status.FAILED, stage="ntp")
    submit("also-hers", grace)
    assert names(page(LIST + "?q=hers")) == ["also-hers", "hers"]
    assert names(page(LIST + "?q=first")) == ["also-hers", "hers", "mine"], "by the experiment's name"
    assert names(page(LIST + "?status=failed")) == ["hers", "mine"]
    assert names(page(LIST + "?stage=ntp&status=failed")) == ["hers"]
    text = page(LIST + "?mine=1&q=m")
    assert names(text) == ["mine"]
    assert re.search(r'href="/runs/\?q=m&amp;mine=1" aria-current="true" ?>All', text)
    assert re.search(r'href="/runs/\?q=m&amp;status=failed&amp;mine=1" ?>Failed <span class="figures">1</span>', text)
    assert "Queued <span" not in text, "no state that nothing has"
    assert "No run fits" in page(LIST + "?q=nothing-like-it")
    assert names(page(LIST + "?status=nonsense&stage=nonsense&before=x")) == ["also-hers", "hers", "mine"]


def test_what_is_shown_of_a_name_is_harmless(page, ada, submit):
    submit("a", into=make_experiment(ada, HOSTILE))
    text = page(LIST + f"?q={HOSTILE[:20]}")
    assert "<script>alert" not in text


def test_pages_go_on_by_key_and_keep_the_filters(page, submit, monkeypatch):
    monkeypatch.setattr(run_list, "RUNS_PER_PAGE", 2)
    for number in range(5):
        submit(f"r{number}", status=Status.FAILED)
    address, seen = LIST + "?status=failed", []
    while address:
        text = page(address)
        seen += names(text)
        older = re.search(r'href="\?([^"]+)">Older', text)
        address = LIST + "?" + older[1].replace("&amp;", "&") if older else ""
    assert seen == ["r4", "r3", "r2", "r1", "r0"]


def test_another_teams_runs_are_not_there_but_count_in_the_queue(page, submit):
    zoe = make_user("zoe", team=Team.objects.create(name="Others"))
    submit("theirs", into=make_experiment(zoe, "Theirs"))
    submit("ours")
    text = page(LIST)
    assert names(text) == ["ours"]
    assert 'number 2 in the <a href="/runs/?status=queued">queue default</a>' in text
    assert "which <strong>no worker listens to</strong>" in text


def test_a_waiting_run_says_what_it_waits_for_and_what_blocks_it(page, diamond):
    services.request_cancel(diamond.runs.get(name="base"), None)
    text = page(LIST + "?status=waiting")
    assert "blocked by base" in text


def test_a_list_takes_the_same_queries_however_long(client, ada, submit, django_assert_max_num_queries):
    client.force_login(ada)
    for number in range(12):
        submit(f"r{number}", status=Status.RUNNING if number % 2 else Status.QUEUED)
    client.get(LIST)
    with django_assert_max_num_queries(20):
        client.get(LIST)


def test_workers_take_the_lowest_place_whichever_run_they_were_woken_for(submit):
    a, b, c = (submit(name) for name in "abc")
    assert order() == ["a", "b", "c"]
    assert services.claim_next(c.pk, "w").name == "a"
    assert services.claim_next(a.pk, "w").name == "b", "the message of a run that is running wakes all the same"
    assert services.claim_next(c.pk, "w").name == "c"
    assert services.claim_next(b.pk, "w") is None
    assert services.claim_next(0, "w") is None


def test_a_worker_that_was_woken_for_a_queue_takes_nothing_of_another(submit):
    submit("elsewhere", queue="gpu")
    here = submit("here")
    Run.objects.filter(pk=here.pk).update(status=Status.CANCELLED)
    assert services.claim_next(here.pk, "w") is None


def test_a_retried_run_goes_to_the_end_and_one_that_was_handed_back_keeps_its_place(submit):
    a, b, c = (submit(name) for name in "abc")
    running = services.claim(b.pk, "w")
    services.hand_back(running)
    assert order() == ["a", "b", "c"]
    services.request_cancel(a, None)
    services.retry(a, None)
    assert order() == ["b", "c", "a"]
    assert c.place > b.place


def test_a_member_changes_the_order_of_own_runs_and_nobody_elses_moves(client, ada, submit):
    grace = make_user("grace")
    for name, user in (("a1", ada), ("g1", grace), ("a2", ada), ("g2", grace), ("a3", ada)):
        submit(name, user)
    client.force_login(ada)

    def move(name, to):
        run = Run.objects.get(name=name)
        return client.post(reverse("runs:run_move", args=[run.pk]), {"to": to}, follow=True)

    assert "Down</button>" not in flat(client.get(LIST)), "where the order is not to be seen"
    assert "Down</button>" in flat(move("a3", "first"))
    assert order() == ["a3", "g1", "a1", "g2", "a2"]
    move("a3", "down")
    assert order() == ["a1", "g1", "a3", "g2", "a2"]
    move("a2", "up")
    assert order() == ["a1", "g1", "a2", "g2", "a3"]
    assert "is the first already of the queued runs of its priority that you may move." in flat(move("a1", "up"))
    assert "A run can go up, down or first in the queue." in flat(move("a2", "sideways"))
    assert move("g1", "up").status_code == 403
    assert order() == ["a1", "g1", "a2", "g2", "a3"]
    (deed,) = Run.objects.get(name="a2").deeds.all()
    assert (deed.what, deed.by) == (Deed.MOVED, ada)


def test_an_administrator_changes_the_order_of_the_teams_runs_and_a_viewer_none(client, submit, ada):
    head, eve = make_user("head", Role.ADMINISTRATOR), make_user("eve", Role.VIEWER)
    other = Team.objects.create(name="Others")
    join(head, other, Role.MEMBER)
    submit("a", ada)
    submit("theirs", into=make_experiment(make_user("zoe", team=other), "Theirs"))
    last = submit("b", ada)
    client.force_login(eve)
    assert "Up</button>" not in flat(client.get(LIST + "?status=queued"))
    assert client.post(reverse("runs:run_move", args=[last.pk]), {"to": "up"}).status_code == 403
    client.force_login(head)
    client.post(reverse("runs:run_move", args=[last.pk]), {"to": "first"})
    assert order() == ["b", "theirs", "a"]


def test_a_run_that_is_not_queued_any_more_is_not_moved(submit, ada):
    run = submit("a", ada)
    services.claim(run.pk, "w")
    with pytest.raises(UserError, match="'a' is not queued any more"):
        places.move(run, ada, access.runs_to_steer(ada), Move.FIRST)


def test_the_order_survives_the_migration(submit):
    """What was queued before there were places is taken in the order of its numbers."""
    from importlib import import_module

    from django.db import connection

    a, b = submit("a"), submit("b")
    Run.objects.filter(pk=a.pk).update(place=900)
    statements = import_module("rpt_web.runs.migrations.0015_place").Migration.operations[2].sql
    with connection.cursor() as cursor:
        cursor.execute(statements)
    assert order() == ["a", "b"]
    assert submit("c").place > Run.objects.get(pk=b.pk).place
