"""Attempts to log in are limited by account and by address, and success is not punished."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from rpt_web.teams import throttle
from rpt_web.teams.models import LoginAttempt
from tests.factories import PASSWORD, make_user
from tests.rpt_web.markup import flat

pytestmark = pytest.mark.django_db
WORDS = "There have been too many attempts."


def attempt(client, name="ada", password="wrong", address="10.0.0.1"):
    data = {"username": name, "password": password}
    return client.post(reverse("teams:login"), data, REMOTE_ADDR=address)


def test_of_many_wrong_passwords_ten_are_looked_at(client):
    make_user("ada", password=PASSWORD)
    said = [WORDS in flat(attempt(client)) for _ in range(12)]
    assert said == [False] * 10 + [True] * 2
    assert WORDS in flat(attempt(client, password=PASSWORD)), "the right one comes too late"
    assert attempt(client, password=PASSWORD, address="10.0.0.2").status_code == 302, "elsewhere it counts"


def test_one_account_from_many_addresses_and_many_accounts_from_one_are_limited():
    assert all(throttle.may_try("ada", f"10.0.0.{number}") for number in range(30))
    assert not throttle.may_try("ada", "10.0.1.1")
    assert all(throttle.may_try(f"user{number}", "10.0.2.1") for number in range(30))
    assert not throttle.may_try("another", "10.0.2.1")


def test_success_wipes_the_account_and_a_quarter_of_an_hour_the_rest(client):
    make_user("ada", password=PASSWORD)
    for _ in range(9):
        attempt(client)
    assert attempt(client, password=PASSWORD).status_code == 302
    assert not LoginAttempt.objects.exists()
    for _ in range(11):
        throttle.may_try("ada", "a")
    assert not throttle.may_try("ada", "a")
    for found in LoginAttempt.objects.all():
        LoginAttempt.objects.filter(pk=found.pk).update(at=found.at - timedelta(minutes=16))
    assert throttle.may_try("ada", "a")


def test_names_are_kept_as_digests(client):
    attempt(client, name="my secret password")
    assert "secret" not in LoginAttempt.objects.get().account
