"""Logging in by password and by a one-time link."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from rpt_web.teams.models import LoginLink
from tests.factories import PASSWORD, make_user
from tests.rpt_web.markup import flat

LOGIN = "/login/"


@pytest.fixture
def ada(db):
    return make_user("ada", password=PASSWORD)


@pytest.fixture
def link(ada):
    return reverse("teams:login_link", args=[LoginLink.issue(ada, timedelta(hours=1))])


def is_logged_in(client):
    return client.get(reverse("home:home")).status_code == 200


def test_the_right_password_logs_in_and_leads_on(client, ada):
    response = client.post(LOGIN, {"username": "ada", "password": PASSWORD, "next": "/runs/new/"})
    assert (response.status_code, response["Location"]) == (302, "/runs/new/")
    assert is_logged_in(client)


def test_a_wrong_password_is_told_without_saying_which_of_the_two_is_wrong(client, ada):
    for name in ("ada", "nobody"):
        page = flat(client.post(LOGIN, {"username": name, "password": "wrong"}))
        assert "User name and password do not match." in page
        assert f'value="{name}"' in page
    assert not is_logged_in(client)


def test_login_leads_to_no_other_site(client, ada):
    response = client.post(LOGIN, {"username": "ada", "password": PASSWORD, "next": "https://elsewhere.example/"})
    assert response["Location"] == reverse("home:home")


def test_the_page_names_a_command_that_works_as_the_setup_leaves_it(client, db, settings):
    page = flat(client.get(LOGIN))
    command = re.search(r"<code>(.*?) manage.py createsuperuser</code>", page)[1]
    makefile = (settings.ROOT / "Makefile").read_text()
    assert command == ".venv/bin/python"
    assert f"<code>{command} manage.py invite NAME</code>" in page
    assert "BIN := .venv/bin\n" in makefile


def test_logging_out_needs_a_post(client, ada):
    client.force_login(ada)
    assert client.get(reverse("teams:logout")).status_code == 405
    assert client.post(reverse("teams:logout"))["Location"] == LOGIN
    assert not is_logged_in(client)


def test_looking_at_a_link_does_not_use_it_up(client, link):
    for _ in range(3):
        page = flat(client.get(link))
        assert "Log in as ada" in page
    client.head(link)
    assert not is_logged_in(client)
    assert client.post(link)["Location"] == reverse("home:home")
    assert is_logged_in(client)


def test_a_link_works_once(client, link):
    client.post(link)
    client.logout()
    response = client.post(link)
    assert response.status_code == 410
    assert "no longer works" in flat(response)
    assert not is_logged_in(client)


def test_a_link_that_has_run_out_does_not_work(client, ada):
    late = reverse("teams:login_link", args=[LoginLink.issue(ada, timedelta(seconds=-1))])
    assert client.get(late).status_code == client.post(late).status_code == 410
    assert not is_logged_in(client)


def test_a_link_of_an_account_that_is_switched_off_does_not_work(client, ada, link):
    ada.is_active = False
    ada.save()
    assert client.get(link).status_code == client.post(link).status_code == 410
    assert not is_logged_in(client)


def test_a_form_from_elsewhere_is_refused(ada, link):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    assert strict.post(link).status_code == 403
    assert strict.post(LOGIN, {"username": "ada", "password": PASSWORD}).status_code == 403
