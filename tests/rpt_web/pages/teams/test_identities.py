"""Logging in with OpenID Connect, against a real provider on loopback: who gets in, who does not, and what a provider
that lies, refuses or is away leads to."""

from __future__ import annotations

import html
import re
from urllib.parse import urlsplit

import httpx
import pytest
from allauth.mfa.models import Authenticator
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from joserfc.jwk import RSAKey

from rpt_web.serving.outside import Oidc
from rpt_web.teams import trail
from rpt_web.teams.membership import first_team
from rpt_web.teams.models import Identity, Invitation, Role, User
from tests.factories import PASSWORD, make_user
from tests.openid_provider import CLIENT_ID, SECRET, openid_provider
from tests.rpt_web.markup import flat

BEGIN, BACK, CONNECT = "/login/identity/", "/login/identity/back/", "/account/identities/connect"
NAME = "Example SSO"


@pytest.fixture(scope="module")
def running():
    with openid_provider() as provider:
        yield provider


@pytest.fixture
def provider(running, settings):
    running.honest()
    settings.RPT_OIDC = Oidc(running.url, CLIENT_ID, SECRET, NAME)
    return running


@pytest.fixture
def ada(db):
    return make_user("ada", password=PASSWORD)


@pytest.fixture
def browser(client, ada):
    client.force_login(ada)
    return client


def address_of(page):
    """Where the browser is sent on to."""
    assert page.status_code == 200, page.content.decode()
    return html.unescape(re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', page.content.decode())[1])


def log_in_there(address, username, answer="yes"):
    """What the provider sends the browser back to, when somebody has logged in on its page."""
    assert "Who are you?" in httpx.get(address).text
    back = httpx.post(address, data={"username": username, "answer": answer})
    assert back.status_code == 302, back.text
    parts = urlsplit(back.headers["Location"])
    assert parts.path == BACK
    return f"{parts.path}?{parts.query}"


def log_in(client, username, answer="yes", **posted):
    return client.get(log_in_there(address_of(client.post(BEGIN, posted)), username, answer))


def connect(browser, username="grace"):
    """Connect an identity on the account page, which asks for the password first."""
    asked = browser.post(CONNECT)
    assert asked["Location"].startswith("/account/confirm/?next=")
    left = browser.post(asked["Location"], {"password": PASSWORD, "next": CONNECT})
    return browser.get(log_in_there(address_of(left), username))


def is_in(client):
    return client.get("/").status_code == 200


def test_somebody_unknown_stays_out_whatever_their_address(provider, ada):
    ada.email = "ada@example.org"  # the one that the provider says is mallory's, and verified
    ada.save()
    guest = Client()
    answer = log_in(guest, "mallory")
    assert answer.status_code == 403
    assert f"No account here belongs to you at {NAME}" in flat(answer)
    assert "You are mallory there." in flat(answer)
    assert not is_in(guest)
    assert User.objects.count() == 1
    assert not Identity.objects.exists()


def test_a_connected_identity_logs_in_and_leads_on(provider, browser, ada):
    assert connect(browser)["Location"] == "/account/"
    page = flat(browser.get("/account/"))
    assert f"{NAME} is connected" in page
    assert "Disconnect grace" in page
    guest = Client()
    assert f"Log in with {NAME}" in flat(guest.get("/login/"))
    assert log_in(guest, "grace", next="/runs/new/")["Location"] == "/runs/new/"
    assert guest.get("/account/").wsgi_request.user == ada
    assert log_in(Client(), "grace", next="https://elsewhere.example/")["Location"] == "/"


def test_no_claim_is_kept_but_who_somebody_is_and_no_token(provider, browser):
    provider.claims = {"groups": ["secret-project"], "name": "Grace\x00"}
    connect(browser)
    kept = Identity.objects.get()
    assert kept.extra_data["name"] == "Grace\ufffd"
    assert kept.extra_data.keys() == {"sub", "name", "email", "preferred_username"}
    assert (kept.provider, kept.uid) == (provider.url, "4711")


def test_who_takes_long_at_the_provider_confirms_once_more(provider, browser, settings):
    left = browser.post(browser.post(CONNECT)["Location"], {"password": PASSWORD, "next": CONNECT})
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 0
    asked = browser.get(log_in_there(address_of(left), "grace"))
    assert asked["Location"] == "/account/confirm/"
    assert not Identity.objects.exists()
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
    assert browser.post(asked["Location"], {"password": PASSWORD})["Location"] == "/account/"
    assert [change.who for change in trail.of_object(Identity.objects.get())] == ["ada"]


def test_disconnecting_asks_for_the_password(provider, browser):
    connect(browser)
    disconnect = f"/account/identities/{Identity.objects.get().pk}/disconnect"
    later = Client()
    log_in(later, "grace")
    asked = later.post(disconnect)
    assert asked["Location"].startswith("/account/confirm/?next=")
    assert Identity.objects.exists()
    assert later.post(asked["Location"], {"password": PASSWORD, "next": disconnect})["Location"] == "/account/"
    assert not Identity.objects.exists()


def test_connecting_and_disconnecting_are_in_the_trail(provider, browser, ada):
    connect(browser)
    identity = Identity.objects.get()
    assert browser.post(f"/account/identities/{identity.pk}/disconnect").status_code == 302
    changes = [(change.who, change.verb, change.title) for change in trail.of_object(identity)]
    assert changes == [("ada", "removed", "ada"), ("ada", "made", "ada")]
    shown = trail.of_team(first_team(), trail.TrailFilters(kind="identity", who="ada")).changes
    assert identity.pk in {change.pk for change in shown}
    guest = Client()
    assert log_in(guest, "grace").status_code == 403


def test_an_identity_belongs_to_one_account(provider, browser):
    connect(browser)
    other = Client()
    other.force_login(make_user("other", password=PASSWORD))
    connect(other)
    assert "belongs to another account of this platform" in flat(other.get("/account/"))
    assert Identity.objects.get().user.username == "ada"


def test_nobody_disconnects_what_is_theirs_alone_or_what_is_not_theirs(provider, browser, ada):
    connect(browser)
    identity = Identity.objects.get()
    other = Client()
    other.force_login(make_user("other", password=PASSWORD))
    assert other.post(f"/account/identities/{identity.pk}/disconnect").status_code == 404
    ada.set_unusable_password()
    ada.save()
    alone = Client()
    log_in(alone, "grace")
    assert alone.post(f"/account/identities/{identity.pk}/disconnect").status_code == 302
    assert "Set a password first" in flat(alone.get("/account/"))
    assert Identity.objects.exists()


def test_the_second_factor_is_asked_for_all_the_same(provider, browser, ada):
    connect(browser)
    Authenticator.objects.create(user=ada, type=Authenticator.Type.TOTP, data={"secret": "x"})
    guest = Client()
    assert log_in(guest, "grace")["Location"] == "/login/code/"
    assert not is_in(guest)


def test_an_account_that_is_switched_off_stays_out(provider, browser, ada):
    connect(browser)
    ada.is_active = False
    ada.save()
    guest = Client()
    answer = log_in(guest, "grace")
    assert (answer.status_code, "This account is switched off." in flat(answer)) == (403, True)
    assert not is_in(guest)


def invite():
    return Invitation.issue(first_team(), Role.VIEWER, make_user("head", Role.ADMINISTRATOR))


def test_somebody_invited_joins_without_a_password_once(provider, db):
    secret = invite()
    guest = Client()
    link = f"/join/{secret}/"
    assert f"Join with {NAME}" in flat(guest.get(link))
    assert log_in(guest, "grace", invitation=secret)["Location"] == link
    assert secret not in str(dict(guest.session)), "the database keeps no secret of a link"
    page = flat(guest.get(link))
    assert 'value="grace"' in page
    assert "new_password" not in page
    assert guest.post(link, {"username": "hopper", "email": ""}).status_code == 302
    hopper = guest.get("/account/").wsgi_request.user
    assert (hopper.username, hopper.has_usable_password()) == ("hopper", False)
    assert hopper.memberships.get().role == Role.VIEWER
    again = Client()
    log_in(again, "grace")
    assert is_in(again)
    late = Client()
    assert log_in(late, "mallory", invitation=secret).status_code == 403
    assert late.get(link).status_code == 410
    changes = trail.of_object(Identity.objects.get())
    assert [(change.who, change.verb) for change in changes] == [("hopper", "made")]


def test_who_is_known_comes_back_to_the_invitation(provider, browser, ada):
    connect(browser)
    secret = invite()
    known = Client()
    assert log_in(known, "grace", invitation=secret)["Location"] == f"/join/{secret}/"
    assert "Join as ada" in flat(known.get(f"/join/{secret}/"))


@pytest.mark.parametrize("secret", ["a/b", "x", "\x00"])
def test_an_invitation_that_is_none_is_taken_as_not_shown(provider, browser, ada, secret):
    connect(browser)
    assert log_in(Client(), "grace", invitation=secret)["Location"] == "/"


def test_an_identity_that_came_for_one_invitation_is_not_used_for_another(provider, db):
    first, guest = invite(), Client()
    log_in(guest, "grace", invitation=first)
    second = Invitation.issue(first_team(), Role.VIEWER, User.objects.get())
    assert "new_password" in flat(guest.get(f"/join/{second}/"))


LIES = {
    "a nonce of another login": {"nonce": "of another login"},
    "another audience": {"aud": ["another platform"]},
    "another issuer": {"iss": "https://elsewhere.example"},
    "long ago": {"exp": 1_000_000_000, "iat": 999_999_000},
    "no end": {"exp": None},
    "nobody": {"sub": ""},
    "an endless subject": {"sub": "x" * 192},
    "a subject that no database takes": {"sub": "4711\x00"},
    "a name that is none": {"name": ["Grace"]},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_token_that_is_not_right_lets_nobody_in(provider, browser, lie, caplog):
    connect(browser)
    provider.claims = LIES[lie]
    guest = Client()
    answer = log_in(guest, "grace")
    assert (answer.status_code, "gave an answer that cannot be used" in flat(answer)) == (502, True)
    assert not is_in(guest)
    assert f"{NAME} gave an answer that cannot be used: " in caplog.text
    assert SECRET not in caplog.text


def test_a_token_with_another_signature_lets_nobody_in(provider, browser):
    connect(browser)
    provider.signs = RSAKey.generate_key(2048, {"kid": "one"})
    guest = Client()
    assert log_in(guest, "grace").status_code == 502
    assert not is_in(guest)


def test_a_wrong_secret_is_told_to_who_can_change_it(provider, ada, caplog):
    provider.registered_secret = "another one"
    answer = log_in(Client(), "grace")
    assert "look whether RPT_OIDC_CLIENT_ID and RPT_OIDC_SECRET are right" in flat(answer)
    assert SECRET not in flat(answer) + caplog.text


def test_a_login_that_was_refused_or_begun_elsewhere_says_so(provider, ada):
    guest = Client()
    answer = log_in(guest, "grace", answer="no")
    assert (answer.status_code, "did not let you through" in flat(answer)) == (403, True)
    state = urlsplit(address_of(guest.post(BEGIN))).query.partition("state=")[2].partition("&")[0]
    wrong = flat(guest.get(f"{BACK}?state={state}&error=invalid_scope"))
    assert f"{NAME} answered with the error invalid_scope." in wrong
    back = log_in_there(address_of(Client().post(BEGIN)), "grace")
    stolen = guest.get(back)
    assert (stolen.status_code, "began in another browser" in flat(stolen)) == (400, True)


def test_a_code_works_once(provider, browser):
    connect(browser)
    guest = Client()
    back = log_in_there(address_of(guest.post(BEGIN)), "grace")
    assert guest.get(back).status_code == 302
    assert Client().get(back).status_code == guest.get(back).status_code == 400


def test_a_provider_that_is_away_is_named(provider, ada, settings, caplog):
    settings.RPT_OIDC = Oidc("http://127.0.0.1:9", CLIENT_ID, SECRET, NAME)
    answer = Client().post(BEGIN)
    assert (answer.status_code, f"{NAME} does not answer." in flat(answer)) == (502, True)
    assert f"{NAME} cannot be reached: " in caplog.text
    settings.RPT_OIDC = Oidc(f"{provider.url}/keys", CLIENT_ID, SECRET, NAME)  # something else is there
    assert "gave an answer that cannot be used" in flat(Client().post(BEGIN))


def test_another_provider_lets_nobody_in_by_an_old_identity(provider, browser, settings):
    connect(browser)
    Identity.objects.update(provider="https://before.example")
    assert log_in(Client(), "grace").status_code == 403
    settings.RPT_OIDC = None
    page = flat(browser.get("/account/"))
    assert "https://before.example" in page
    assert "no longer used" in page


def test_attempts_are_limited(provider, db):
    guest = Client()
    answers = {guest.post(BEGIN).status_code for _ in range(31)}
    assert answers == {200, 429}


def test_without_a_provider_there_is_no_such_way(client, db):
    assert "Log in with" not in flat(client.get("/login/"))
    assert client.post(BEGIN).status_code == client.get(BACK).status_code == 404


OIDC = {
    "RPT_OIDC_URL": "https://sso.example/realms/x/",
    "RPT_OIDC_CLIENT_ID": "rpt",
    "RPT_OIDC_SECRET": "geheim",
    "RPT_OIDC_NAME": "",
}


def test_the_provider_is_read_from_the_environment(monkeypatch):
    for name, value in OIDC.items():
        monkeypatch.setenv(name, value)
    assert (found := Oidc.read()) == Oidc("https://sso.example/realms/x", "rpt", "geheim", "sso.example")
    assert "geheim" not in repr(found)
    for name in OIDC:
        monkeypatch.delenv(name)
    assert Oidc.read() is None


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("RPT_OIDC_SECRET", "", "OpenID Connect is only half configured: RPT_OIDC_SECRET not set."),
        ("RPT_OIDC_URL", "", "half configured: RPT_OIDC_URL not set"),
        ("RPT_OIDC_URL", "http://sso.example", "RPT_OIDC_URL with scheme 'http' and host 'sso.example'"),
        ("RPT_OIDC_URL", "https://geheim@sso.example", "is not usable"),
        ("RPT_OIDC_URL", "https://sso.example/?x=1", "is not usable"),
        ("RPT_OIDC_URL", "https://[sso", "RPT_OIDC_URL is no address"),
        ("RPT_OIDC_URL", f"https://sso.example/{200 * 'x'}", "at most 200 characters"),
        ("RPT_OIDC_NAME", 41 * "x", "RPT_OIDC_NAME is not usable"),
    ],
)
def test_a_provider_that_cannot_be_is_refused_without_its_secret(monkeypatch, name, value, words):
    for given, usual in (OIDC | {name: value}).items():
        monkeypatch.setenv(given, usual)
    with pytest.raises(ImproperlyConfigured) as refused:
        Oidc.read()
    assert words in str(refused.value)
    assert "geheim" not in str(refused.value)
