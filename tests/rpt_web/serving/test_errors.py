"""What the web server says when something cannot be done: a page or JSON, always with the request's id."""

from __future__ import annotations

import logging

import pytest
from django.test import Client

from rpt_web import access
from rpt_web.serving import errors
from rpt_web.serving.logs import LineFormatter
from tests.factories import make_user
from tests.rpt_web.api_client import ROOT, client_of
from tests.rpt_web.markup import flat

pytestmark = pytest.mark.django_db


@pytest.fixture
def broken(monkeypatch):
    """Whoever asks for runs meets a mistake of ours."""

    def fail(*_):
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr(access, "runs_for", fail)
    monkeypatch.setattr(access, "get_run_or_404", fail)


def forgiving(client):
    client.raise_request_exception = False
    return client


def test_a_mistake_of_ours_leaves_its_traceback_with_request_and_user(client, ada, broken, caplog):
    client.force_login(ada)
    response = forgiving(client).get("/runs/1/")
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    written = LineFormatter("web").format(record)
    assert f"[{response['X-Request-ID']} ada]" in written.splitlines()[0]
    assert written.splitlines()[-1] == "ZeroDivisionError: a mistake of ours"


def test_a_mistake_of_ours_has_a_page_with_the_id_that_the_log_has(client, ada, broken):
    client.force_login(ada)
    response = forgiving(client).get("/runs/1/")
    page = flat(response)
    assert response.status_code == 500
    assert f"<code>{response['X-Request-ID']}</code>" in page
    assert "ZeroDivisionError" not in page


def test_a_mistake_of_ours_is_json_for_the_api(ada, broken, caplog):
    response = forgiving(client_of(ada)).get(f"{ROOT}/runs")
    assert response.status_code == 500
    assert set(response.json()) == {"title", "status", "detail"}
    assert response["X-Request-ID"] in response.json()["detail"]
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert f"{response['X-Request-ID']} ada]" in LineFormatter("web").format(record)


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("get", "/no/such/page", 404),
        ("get", "/runs/999999/", 404),
        ("post", "/runs/999999/", 405),
        ("get", "/logout/", 405),
    ],
)
def test_every_error_page_carries_the_id(client, ada, method, address, status):
    client.force_login(ada)
    response = getattr(client, method)(address)
    assert response.status_code == status
    assert f"<code>{response['X-Request-ID']}</code>" in flat(response)


def test_what_a_viewer_may_not_do_is_refused_on_a_page_with_the_id(viewer_client, experiment):
    response = viewer_client.post(f"/experiments/{experiment.pk}/cancel")
    assert response.status_code == 403
    assert f"<code>{response['X-Request-ID']}</code>" in flat(response)


def test_a_form_without_its_mark_is_refused_on_a_page_with_the_id():
    response = Client(enforce_csrf_checks=True).post("/login/", {"username": "a"})
    assert response.status_code == 403
    page = flat(response)
    assert "The form has expired" in page
    assert f"<code>{response['X-Request-ID']}</code>" in page


def test_a_host_that_is_not_ours_is_refused_with_the_id(client):
    response = client.get("/login/", headers={"host": "elsewhere.example"})
    assert response.status_code == 400
    assert f"<code>{response['X-Request-ID']}</code>" in flat(response)
    answer = client.get(f"{ROOT}/runs", headers={"host": "elsewhere.example"})
    assert (answer.status_code, answer.json()["detail"]) == (400, errors.SENTENCES[400])


def test_a_refused_method_still_says_which_are_allowed(client, ada):
    client.force_login(ada)
    assert client.post("/runs/999999/")["Allow"] == "GET, HEAD"


def test_a_used_login_link_carries_the_id(client):
    response = client.get("/login/link/used-or-cut-short/")
    assert response.status_code == 410
    assert f"<code>{response['X-Request-ID']}</code>" in flat(response)


def test_each_request_has_an_id_of_its_own_that_no_caller_chooses(client):
    answers = [client.get("/healthz", headers={"X-Request-ID": "mine"}) for _ in range(2)]
    found = {answer["X-Request-ID"] for answer in answers}
    assert len(found) == 2
    assert "mine" not in found


def test_a_page_about_a_mistake_needs_no_user(client, db, monkeypatch, broken):
    from django.contrib.auth import middleware

    client.force_login(make_user("ada"))

    def fail(*_):
        raise ZeroDivisionError("no user either")

    monkeypatch.setattr(middleware, "get_user", fail)
    assert "Something went wrong" in flat(forgiving(client).get("/runs/1/"))
