"""A second factor: an authenticator app, recovery codes, and that there is no way in that leaves it out."""

from __future__ import annotations

import re
import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.test import Client

from rpt_web.teams.membership import first_team, join
from rpt_web.teams.models import Invitation, LoginLink, Role, Team
from tests.factories import PASSWORD, make_user
from tests.rpt_web.markup import flat

LOGIN = {"username": "ada", "password": PASSWORD}
CODE = "/login/code/"


@pytest.fixture
def ada(db):
    return make_user("ada", password=PASSWORD)


@pytest.fixture
def browser(client, ada):
    client.force_login(ada)
    return client


def code_of(secret, later=0):
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + later))


def add_app(browser):
    """Add an authenticator app on the pages; its secret."""
    page = browser.get("/account/app/")
    assert page["Location"].startswith("/account/confirm/?next="), "it asks for the password first"
    confirmed = browser.post(page["Location"], {"password": PASSWORD, "next": "/account/app/"})
    assert confirmed["Location"] == "/account/app/"
    text = flat(browser.get("/account/app/"))
    assert 'src="data:image/svg+xml;base64,' in text
    secret = re.search(r'id="secret">([A-Z2-7]{32})<', text)[1]
    wrong = browser.post("/account/app/", {"code": "000000"})
    assert "This code is not right." in flat(wrong)
    added = browser.post("/account/app/", {"code": code_of(secret)})
    assert added["Location"] == "/account/recovery-codes/"
    return secret


@pytest.fixture
def secret(browser):
    return add_app(browser)


def is_in(client):
    return client.get("/").status_code == 200


def test_logging_in_takes_the_code_as_well(secret):
    guest = Client()
    answer = guest.post("/login/", LOGIN)
    assert (answer.status_code, answer["Location"]) == (302, CODE)
    assert not is_in(guest)
    assert "authenticator app" in flat(guest.get(CODE))
    assert "This code is not right." in flat(guest.post(CODE, {"code": "123"}))
    assert not is_in(guest)
    assert guest.post(CODE, {"code": code_of(secret, 1)}).status_code == 302
    assert is_in(guest)


def test_a_code_is_used_once(secret):
    first, second, code = Client(), Client(), code_of(secret, 1)
    for client in (first, second):
        client.post("/login/", LOGIN)
        client.post(CODE, {"code": code})
    assert (is_in(first), is_in(second)) == (True, False)


def test_codes_cannot_be_guessed(secret):
    guest = Client()
    guest.post("/login/", LOGIN)
    for _ in range(10):
        guest.post(CODE, {"code": "000000"})
    answer = guest.post(CODE, {"code": code_of(secret, 1)})
    assert "too many attempts" in flat(answer)
    assert not is_in(guest)


def test_a_recovery_code_works_once(browser, secret):
    codes = re.findall(r"\b\d{8}\b", browser.get("/account/recovery-codes/file/").content.decode())
    assert len(codes) == 10
    assert set(codes) <= set(re.findall(r"\b\d{8}\b", flat(browser.get("/account/recovery-codes/"))))
    for expected in (True, False):
        guest = Client()
        guest.post("/login/", LOGIN)
        guest.post(CODE, {"code": codes[0]})
        assert is_in(guest) is expected


@pytest.mark.parametrize("way", ["login link", "wrong password"])
def test_no_way_in_leaves_it_out(secret, ada, way):
    guest = Client()
    if way == "login link":
        answer = guest.post(f"/login/link/{LoginLink.issue(ada)}/")
        assert answer["Location"] == CODE
    else:
        guest.post("/login/", LOGIN | {"password": "wrong"})
        assert guest.get(CODE)["Location"] == "/login/"
    assert not is_in(guest)


def test_an_invitation_is_used_by_who_is_in_already(browser, secret, ada):
    other = Team.objects.create(name="Other")
    link = f"/join/{Invitation.issue(other, Role.MEMBER, ada)}/"
    assert browser.post(link).status_code == 302
    assert ada.memberships.count() == 2


def test_the_secret_is_sealed_in_the_database(secret):
    kept = [str(found.data) for found in Authenticator.objects.all()]
    assert len(kept) == 2
    assert not any(secret in text for text in kept)


def test_the_app_is_removed(browser, secret):
    assert "a code from your app" in flat(browser.get("/account/"))
    assert browser.post("/account/app/remove/").status_code == 302
    assert not Authenticator.objects.exists()
    assert Client().post("/login/", LOGIN)["Location"] == "/"


def test_an_administrator_removes_a_lost_one(secret, ada):
    head = Client()
    head.force_login(make_user("head", Role.ADMINISTRATOR))
    page = f"/teams/{first_team().pk}/people/{ada.pk}/"
    assert "Remove the second factor" in flat(head.get(page))
    assert head.post(f"{page}factor").status_code == 302
    assert "Remove the second factor" not in flat(head.get(page))
    assert Client().post("/login/", LOGIN)["Location"] == "/"


def test_a_second_factor_of_somebody_in_another_team_is_not_removed(secret, ada):
    join(ada, Team.objects.create(name="Other"))
    head = Client()
    head.force_login(make_user("head", Role.ADMINISTRATOR))
    assert head.post(f"/teams/{first_team().pk}/people/{ada.pk}/factor").status_code == 403
    assert Authenticator.objects.filter(user=ada).exists()


def test_who_has_no_password_sets_one_first(client, db):
    client.force_login(make_user("alone"))
    assert "Set a password first." in flat(client.get("/account/"))
    assert client.get("/account/app/").status_code == 403
