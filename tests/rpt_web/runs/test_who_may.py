"""Members cancel and retry their own runs, an administrator all; who did it is kept and shown."""

from __future__ import annotations

import pytest
from django.urls import reverse

from rpt_web.runs import services
from rpt_web.runs.models import Run, Status
from rpt_web.teams.models import Role, User
from tests.factories import make_user
from tests.rpt_web.api_client import ROOT, client_of
from tests.suite_graphs import ALONE, plan, planned


@pytest.fixture
def bob(db):
    return make_user("bob")


@pytest.fixture
def both(experiment, ada, bob):
    """An experiment with a run of each."""
    services.submit_suite(experiment, plan(ALONE), ada)
    services.submit_suite(experiment, plan(planned("other")), bob)
    return experiment


def deeds(run):
    return [(deed.what, deed.by and deed.by.username) for deed in run.deeds.all()]


def test_a_member_cancels_own_runs_and_no_others(both, ada, bob):
    own, other = both.runs.get(name="alone"), both.runs.get(name="other")
    answer = client_of(ada).post(f"{ROOT}/runs/{other.pk}/cancel")
    assert answer.status_code == 403
    assert "was submitted by bob" in answer.json()["detail"]
    assert client_of(ada).post(f"{ROOT}/runs/{own.pk}/cancel").status_code == 202
    assert client_of(ada).post(f"{ROOT}/runs/{own.pk}/retry").status_code == 202
    assert client_of(bob).post(f"{ROOT}/runs/{own.pk}/cancel").status_code == 403
    assert (deeds(own), deeds(other)) == ([("cancelled", "ada"), ("retried", "ada")], [])


@pytest.mark.parametrize("of", ["team", "server"])
def test_an_administrator_cancels_and_retries_all(both, of):
    head = make_user("root", Role.ADMINISTRATOR) if of == "team" else User.objects.create_superuser("root")
    root = client_of(head)
    other = both.runs.get(name="other")
    assert root.post(f"{ROOT}/runs/{other.pk}/cancel").status_code == 202
    assert root.post(f"{ROOT}/runs/{other.pk}/retry").status_code == 202
    assert deeds(other) == [("cancelled", "root"), ("retried", "root")]
    assert len(root.post(f"{ROOT}/experiments/{both.pk}/cancel").json()) == 2


def test_cancelling_an_experiment_and_running_what_is_missing_touch_a_members_own_runs(both, ada):
    caller = client_of(ada)
    assert [run["name"] for run in caller.post(f"{ROOT}/experiments/{both.pk}/cancel").json()] == ["alone"]
    assert both.runs.get(name="other").status == Status.QUEUED
    Run.objects.update(status=Status.FAILED)
    assert [run["name"] for run in caller.post(f"{ROOT}/experiments/{both.pk}/resubmit").json()] == ["alone"]
    assert both.runs.get(name="other").status == Status.FAILED
    answer = caller.post(f"{ROOT}/experiments/{both.pk}/resubmit")
    assert answer.status_code == 409
    assert "no run that ada has submitted to this experiment" in answer.json()["detail"]


def test_pages_offer_only_what_the_user_may_do_and_say_who_did_what(page, client, both):
    own, other = both.runs.get(name="alone"), both.runs.get(name="other")
    address = {run.pk: reverse("runs:run_detail", args=[run.pk]) for run in (own, other)}
    assert "Cancel the run" in page(address[own.pk])
    assert "Cancel the run" not in page(address[other.pk])
    assert client.post(reverse("runs:run_cancel", args=[other.pk])).status_code == 403
    client.post(reverse("runs:run_cancel", args=[own.pk]))
    text = page(address[own.pk])
    assert "Submitted by ada." in text
    assert "Cancelled by ada on " in text
    assert "Submitted by bob." in page(address[other.pk])


def test_the_api_tells_who_did_what(both, ada):
    own = both.runs.get(name="alone")
    client_of(ada).post(f"{ROOT}/runs/{own.pk}/cancel")
    told = client_of(ada).get(f"{ROOT}/runs/{own.pk}").json()
    assert told["submitted_by"] == "ada"
    assert [(deed["what"], deed["by"]) for deed in told["deeds"]] == [("cancelled", "ada")]
