"""A forgotten password: a link by e-mail where mail can be sent; elsewhere an administrator makes a login link."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from rpt_web.serving.outside import Smtp
from rpt_web.teams.models import LoginLink, User
from tests.factories import PASSWORD, make_user
from tests.rpt_web.markup import flat

RESET = "/login/reset/"


@pytest.fixture
def ada(db):
    user = make_user("ada", password="forgotten by now")
    User.objects.filter(pk=user.pk).update(email="ada@example.org")
    return User.objects.get(pk=user.pk)


@pytest.fixture
def mails(settings):
    settings.RPT_MAILS = True


def test_a_link_comes_by_mail_and_sets_a_password_once(client, ada, mails):
    stays = Client()
    stays.force_login(ada)
    assert RESET in flat(client.get("/login/"))
    assert client.post(RESET, {"email": "ADA@example.org"})["Location"] == f"{RESET}sent/"
    assert "on its way" in flat(client.get(f"{RESET}sent/"))
    (sent,) = mail.outbox
    assert sent.to == ["ada@example.org"]
    link = re.search(r"http://testserver(/login/reset/\S+)", sent.body)[1]
    secret = LoginLink.issue(ada)
    form = client.get(link, follow=True)
    place = form.redirect_chain[-1][0]
    assert "For ada." in flat(form)
    answer = client.post(place, {"password1": "12345678", "password2": "12345678"})
    assert "too common" in flat(answer)
    assert client.post(place, {"password1": PASSWORD, "password2": PASSWORD})["Location"] == f"{RESET}done/"
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)
    assert stays.get("/").status_code == 302, "every browser is logged out"
    assert "no longer works" in flat(Client().get(link, follow=True))
    assert LoginLink.redeem(secret) is None


def test_nobody_learns_who_has_an_account(client, ada, mails):
    answer = client.post(RESET, {"email": "nobody@example.org"})
    assert answer["Location"] == f"{RESET}sent/"
    assert mail.outbox == []


def test_without_mail_there_is_no_such_page(client, ada, settings):
    settings.RPT_MAILS = False
    for path in (RESET, f"{RESET}sent/", f"{RESET}done/", f"{RESET}1-abc/"):
        assert client.get(path).status_code == 404
    text = flat(client.get("/login/"))
    assert RESET not in text
    assert "An administrator of your team can make you a login link." in text


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", None),
        ("smtps://u:p%40ss@mail.example", Smtp("mail.example", 465, "u", "p@ss", True, False)),
        ("smtp://mail.example:25", Smtp("mail.example", 25, "", "", False, True)),
        ("smtp://localhost:25?tls=no", Smtp("localhost", 25, "", "", False, False)),
    ],
)
def test_the_address_of_the_mail_server_is_read(monkeypatch, url, expected):
    monkeypatch.setenv("RPT_SMTP_URL", url)
    assert Smtp.read() == expected


@pytest.mark.parametrize("url", ["http://u:geheim@mail.example", "smtp://:geheim@", "geheim"])
def test_an_address_that_cannot_be_is_refused_without_its_secret(monkeypatch, url):
    monkeypatch.setenv("RPT_SMTP_URL", url)
    with pytest.raises(ImproperlyConfigured, match="RPT_SMTP_URL") as refused:
        Smtp.read()
    assert "geheim" not in str(refused.value)
