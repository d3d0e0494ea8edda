"""Alarms on pages: the team's page with its webhook, the run's page, and what the account page says of e-mail."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from rpt_web.notices.models import AlarmKind, Delivery, NoticeKind, Webhook
from rpt_web.runs.alarms import raise_alarm
from rpt_web.teams.membership import first_team
from rpt_web.teams.models import Role, User
from tests.factories import HOSTILE, PASSWORD, make_user
from tests.rpt_web.markup import flat

SECRET_URL = "https://hooks.example.org/T0/very-secret"


@pytest.fixture
def head(db):
    client = Client()
    client.force_login(make_user("head", Role.ADMINISTRATOR))
    return client


def address(name):
    return reverse(f"teams:{name}", args=[first_team().pk])


def test_an_administrator_stores_a_webhook_whose_secret_is_shown_once(head, page):
    answer = flat(head.post(address("hook_store"), {"url": f" {SECRET_URL} ", "with_successes": "on"}))
    secret = answer.partition('<code id="hook-secret" class="mono">')[2].partition("<")[0]
    assert secret.startswith("rpths_")
    hook = Webhook.objects.get()
    assert (hook.url, hook.with_successes) == (SECRET_URL, True)
    assert secret not in hook.sealed_secret
    again = flat(head.get(address("team_alarms")))
    assert SECRET_URL in again
    assert secret not in again
    assert SECRET_URL not in page(address("team_alarms")), "a member sees no address"
    assert SECRET_URL not in page(address("team_trail")), "nor does the trail tell it"
    assert "rpths_" in flat(head.post(address("hook_secret")))
    assert "A test is on its way" in flat(head.post(address("hook_test"), follow=True))
    assert Delivery.objects.get().webhook == hook
    head.post(address("hook_remove"))
    assert not Webhook.objects.exists()
    assert not Delivery.objects.exists()


def test_an_address_in_a_private_network_is_refused_in_words(head):
    response = head.post(address("hook_store"), {"url": "https://169.254.169.254/latest"})
    assert response.status_code == 422
    assert "RPT_WEBHOOK_ADDRESSES" in flat(response)
    assert "Store an address first." in flat(head.post(address("hook_test"), follow=True))
    assert "Store an address first." in flat(head.post(address("hook_secret"), follow=True))


def test_an_alarm_stands_on_its_run_and_on_the_page_of_the_team(page, run):
    assert "Alarms</h2>" not in page(f"/runs/{run.pk}/")
    raise_alarm(run, AlarmKind.MONITOR, "k", HOSTILE, step=7, metric="share_no_box", value=0.8, limit=0.5)
    for place in (f"/runs/{run.pk}/", address("team_alarms")):
        text = page(place)
        assert "Collapse monitor" in text
        assert f"/traces/?run={run.pk}&amp;kind=train&amp;step_from=7&amp;step_to=7&amp;reason=no_box" in text
        assert "<script>alert" not in text


def test_people_choose_what_they_get_by_mail(page, client, ada):
    assert page("/account/").count('name="kind"') == len(NoticeKind)
    client.post(reverse("teams:mail_choice"), {"kind": ["succeeded", "cancelled"]})
    assert ada.mail_choice.kinds == ["succeeded", "cancelled"]
    text = page("/account/")
    assert 'value="succeeded" checked' in text
    assert 'value="alarm" checked' not in text


def test_another_address_for_mail_asks_who_it_is(db):
    user = make_user("ada", password=PASSWORD)
    browser = Client()
    browser.force_login(user)
    place = reverse("teams:mail_address")
    asked = browser.post(place, {"email": "ada@example.org"})
    assert asked["Location"].startswith("/account/confirm/")
    assert User.objects.get(pk=user.pk).email == ""
    browser.post(asked["Location"], {"password": PASSWORD})
    assert browser.post(place, {"email": "no address"}).status_code == 422
    browser.post(place, {"email": "ada@example.org"})
    assert User.objects.get(pk=user.pk).email == "ada@example.org"
