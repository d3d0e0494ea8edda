"""A form that is sent twice makes its things once; what is changed, or was refused, is carried out."""

from __future__ import annotations

import threading

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from rpt_web.pages import once
from rpt_web.runs import services
from rpt_web.runs.models import Experiment, Run
from rpt_web.teams.models import RepeatableCall
from tests.rpt_web.markup import flat
from tests.rpt_web.pages.configure.test_new_run import NEW, typed
from tests.rpt_web.pages.configure.test_suite import NEW as SUITE

pytestmark = pytest.mark.usefixtures("nothing_found")
AGAIN = "This was submitted before"


def test_a_suite_a_run_and_an_experiment_that_are_sent_twice_are_made_once(page, client, ada):
    experiment = services.create_experiment("Origin", ada, preset="tiny")
    run, suite = f"{NEW}?preset=tiny&run=base&experiment={experiment.pk}", f"{SUITE}?preset=smoke"
    empty = reverse("experiments:experiment_new")
    for address, changed in ((suite, "name"), (run, "run_name"), (empty, "name")):
        data = typed(page(address).partition('method="post"')[2])
        data |= {"seeds": "1"} if address == suite else {"name": "Mine"} if address == empty else {}
        first = client.post(address, data)
        count = Run.objects.count(), Experiment.objects.count()
        again = client.post(address, data)
        assert (again.status_code, again["Location"]) == (302, first["Location"])
        assert (Run.objects.count(), Experiment.objects.count()) == count
        assert AGAIN in flat(client.get(again["Location"]))
        assert client.post(address, data | {changed: "another"}).status_code == 302
        assert (Run.objects.count(), Experiment.objects.count()) > count, "after the Back button something was changed"


def test_what_was_refused_may_be_sent_again(page, client, ada):
    data = {"name": "", "once": "a"}
    address = reverse("experiments:experiment_new")
    page(address)
    assert client.post(address, data).status_code == 422
    assert not RepeatableCall.objects.exists()
    assert client.post(address, data).status_code == 422
    assert client.post(address, data | {"name": "x\x00"}).status_code in (302, 422)


@pytest.mark.django_db(transaction=True)
def test_of_two_that_come_at_the_same_time_the_second_waits_for_the_first(ada, monkeypatch):
    """The first one has not ended when the second one comes."""
    address, data = reverse("experiments:experiment_new"), {"name": "Both", "once": "b"}
    begun, may_end, found = threading.Event(), threading.Event(), {}
    create = services.create_experiment

    def slow(*arguments, **more):
        begun.set()
        may_end.wait(30)
        return create(*arguments, **more)

    monkeypatch.setattr("rpt_web.pages.experiments.creation.services.create_experiment", slow)
    monkeypatch.setattr(once.time, "sleep", lambda seconds: may_end.set())

    def send(name):
        client = Client()
        client.force_login(ada)
        try:
            found[name] = client.post(address, data)["Location"]
        finally:
            connection.close()

    first = threading.Thread(target=send, args=["first"])
    first.start()
    assert begun.wait(30)
    second = threading.Thread(target=send, args=["second"])
    second.start()
    for thread in (first, second):
        thread.join(60)
    assert found["first"] == found["second"]
    assert Experiment.objects.filter(name="Both").count() == 1
