"""Passkeys without a browser: where they are offered, and what comes of answers that somebody made up.

That they work is the business of Chromium's tests: `tests/end_to_end/in_chromium/test_ways_in.py`.
"""

from __future__ import annotations

import json

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client

from rpt_web.teams import trail
from rpt_web.teams.membership import first_team
from rpt_web.teams.models import Factor
from tests.factories import PASSWORD, make_user
from tests.passkey import Passkey
from tests.rpt_web.markup import flat

ADD, LOGIN, CODE, CONFIRM = "/account/passkeys/new/", "/login/passkey/", "/login/code/", "/account/confirm/"
CANNOT = "Passkeys cannot be added or used here"


@pytest.fixture(autouse=True)
def any_host(settings):
    settings.ALLOWED_HOSTS = ["*"]


@pytest.fixture
def ada(db):
    return make_user("ada", password=PASSWORD)


@pytest.fixture
def browser(ada):
    """At localhost, with the password confirmed."""
    client = Client(SERVER_NAME="localhost")
    client.force_login(ada)
    assert client.post(f"{CONFIRM}?next={ADD}", {"password": PASSWORD}).status_code == 302
    return client


@pytest.mark.parametrize(
    ("host", "is_https", "is_possible"),
    [
        ("localhost:8000", False, True),
        ("rpt.example.org", True, True),
        ("rpt.example.org", False, False),
        ("127.0.0.1:8000", False, False),
        ("192.0.2.7", True, False),
        ("[::1]:8000", True, False),
    ],
)
def test_they_are_offered_where_browsers_allow_them(ada, host, is_https, is_possible):
    client = Client(headers={"Host": host})
    assert ("Log in with a passkey" in flat(client.get("/login/", secure=is_https))) is is_possible
    client.force_login(ada)
    page = flat(client.get("/account/", secure=is_https))
    assert ("Add a passkey" in page, CANNOT in page) == (is_possible, not is_possible)
    where = client.get(ADD, secure=is_https)["Location"]
    assert where.startswith(CONFIRM) if is_possible else where == "/account/"


def test_elsewhere_the_way_in_says_why(db):
    guest = Client()
    answer = guest.get(LOGIN, headers={"Accept": "application/json"})
    assert answer["Location"] == "/login/"
    assert "Passkeys work only at an address with a name" in flat(guest.get("/login/"))


def test_a_browser_is_asked_to_verify_its_user(browser, ada):
    options = asked(browser.get(ADD))
    assert options["rp"] == {"id": "localhost", "name": "RPT (localhost)"}
    assert options["user"]["name"] == "ada"
    chosen = options["authenticatorSelection"]
    assert (chosen["residentKey"], chosen["userVerification"]) == ("required", "required")
    answer = Client(SERVER_NAME="localhost").get(LOGIN, headers={"Accept": "application/json"})
    assert asked(answer)["userVerification"] == "required"


MADE_UP = [
    "",
    "{",
    "7",
    "[]",
    "null",
    "{}",
    '{"id": "x", "response": 3}',
    '{"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": {"clientDataJSON": "x", "authenticatorData": '
    '"x", "signature": "x", "attestationObject": "x", "userHandle": "Mg"}, "clientExtensionResults": {}}',
    '{"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": {"clientDataJSON": "e30", "authenticatorData": '
    '"AAAA", "signature": "AAAA", "attestationObject": "oA", "userHandle": 5}, "clientExtensionResults": {}}',
]


@pytest.mark.parametrize("credential", MADE_UP)
def test_an_answer_that_somebody_made_up_is_refused_in_words(browser, ada, credential):
    browser.get(ADD)
    assert "This passkey was not accepted." in flat(browser.post(ADD, {"name": "x", "credential": credential}))
    assert not Authenticator.objects.exists()
    guest = Client(SERVER_NAME="localhost")
    guest.get(LOGIN, headers={"Accept": "application/json"})
    assert guest.post(LOGIN, {"credential": credential})["Location"] == "/login/"
    assert "This passkey was not accepted." in flat(guest.get("/login/"))
    assert guest.get("/").status_code == 302


def asked(page):
    """What a page, or an answer in JSON, asks the browser for."""
    text = page.content.decode()
    found = text.partition('type="application/json">')[2].partition("</script>")[0] or text
    return (options := json.loads(found)).get("request_options", options)["publicKey"]


def log_in(passkey, **more):
    guest = Client(SERVER_NAME="localhost")
    options = asked(guest.get(LOGIN, headers={"Accept": "application/json"}))
    answer = guest.post(LOGIN, {"credential": passkey.used(options)} | more)
    return guest, answer["Location"]


@pytest.fixture
def passkey(browser):
    made = Passkey()
    added = browser.post(ADD, {"name": "Laptop", "credential": made.made(asked(browser.get(ADD)))})
    assert added["Location"] == "/account/recovery-codes/"
    return made


def is_in(client):
    return client.get("/").status_code == 200


def test_it_logs_in_by_itself_and_leads_on(passkey):
    guest, where = log_in(passkey, next="/runs/new/")
    assert (is_in(guest), where) == (True, "/runs/new/")


def test_after_a_password_it_is_asked_for(passkey):
    guest = Client(SERVER_NAME="localhost")
    assert guest.post("/login/", {"username": "ada", "password": PASSWORD})["Location"] == CODE
    page = guest.get(CODE)
    assert "Use your passkey, or type one of your recovery codes." in flat(page)
    assert not is_in(guest)
    assert "This passkey was not accepted." in flat(guest.post(CODE, {"credential": "{}"}))
    assert guest.post(CODE, {"credential": passkey.used(asked(guest.get(CODE)))}).status_code == 302
    assert is_in(guest)


def test_it_confirms_who_somebody_is(passkey):
    guest, _ = log_in(passkey)
    page = guest.get("/account/recovery-codes/")["Location"]
    assert "Use a passkey" in flat(guest.get(page))
    by_passkey = f"{CONFIRM}passkey/?next=%2Faccount%2Frecovery-codes%2F"
    assert guest.post(by_passkey, {"credential": "{}"})["Location"] == by_passkey
    options = asked(guest.get(by_passkey))
    assert guest.post(by_passkey, {"credential": passkey.used(options)})["Location"] == "/account/recovery-codes/"
    assert "10 of 10 are left" in flat(guest.get("/account/recovery-codes/"))


@pytest.mark.parametrize(
    "wrong",
    [{"origin": "https://localhost.example"}, {"origin": "http://127.0.0.1"}, {"host": "example"}, {"verifies": False}],
    ids=str,
)
def test_one_of_another_site_or_of_anybody_who_holds_it_does_not_log_in(passkey, wrong):
    for name, value in wrong.items():
        setattr(passkey, name, value)
    assert not is_in(log_in(passkey)[0])


def test_another_key_and_an_old_answer_do_not_log_in(passkey):
    guest = Client(SERVER_NAME="localhost")
    answer = passkey.used(asked(guest.get(LOGIN, headers={"Accept": "application/json"})))
    guest.get(LOGIN, headers={"Accept": "application/json"})
    guest.post(LOGIN, {"credential": answer})
    assert not is_in(guest)
    passkey.key = Passkey().key
    assert not is_in(log_in(passkey)[0])


def test_an_account_that_is_switched_off_stays_out(passkey, ada):
    guest = Client(SERVER_NAME="localhost")
    options = asked(guest.get(LOGIN, headers={"Accept": "application/json"}))
    ada.is_active = False
    ada.save()
    answer = guest.post(LOGIN, {"credential": passkey.used(options)})
    assert (answer.status_code, "This account is switched off." in flat(answer)) == (403, True)
    assert not is_in(guest)


def test_one_that_verifies_nobody_is_not_added(browser):
    made = Passkey(verifies=False).made(asked(browser.get(ADD)))
    assert "This passkey was not accepted." in flat(browser.post(ADD, {"name": "x", "credential": made}))
    assert not Authenticator.objects.exists()


def test_a_name_that_cannot_be_loses_no_passkey(browser):
    for name, expected in (("a\u202eb", "Passkey"), ("", "Passkey 2"), (" Phone ", "Phone")):
        credential = Passkey().made(asked(browser.get(ADD)))
        browser.post(ADD, {"name": name, "credential": credential})
        assert str(Authenticator.objects.filter(type="webauthn").latest("pk")) == expected


def test_one_is_renamed_and_removed(browser, passkey):
    key = Authenticator.objects.get(type="webauthn").pk
    rename, remove = f"/account/passkeys/{key}/rename/", f"/account/passkeys/{key}/remove/"
    assert "It holds" in flat(browser.post(rename, {"name": "a\u202eb"}))
    assert browser.post(rename, {"name": "Phone"})["Location"] == "/account/"
    assert "Remove Phone" in flat(browser.get("/account/"))
    assert "Remove Phone" in flat(browser.get(remove))
    assert browser.post(remove)["Location"] == "/account/"
    assert not Authenticator.objects.exists(), "the recovery codes go, too"
    assert not is_in(log_in(passkey)[0])
    assert Client().post("/login/", {"username": "ada", "password": PASSWORD})["Location"] == "/"


def test_what_is_added_and_removed_is_in_the_trail(browser, passkey):
    factors = list(Factor.objects.all())
    browser.post(f"/account/passkeys/{Factor.objects.get(type='webauthn').pk}/remove/")
    for factor in factors:
        changes = [(change.who, change.noun, change.verb, change.title) for change in trail.of_object(factor)]
        assert changes == [("ada", "second factor", verb, "ada") for verb in ("removed", "made")]
    shown = trail.of_team(first_team(), trail.TrailFilters(kind="factor", who="ada")).changes
    assert {factor.pk for factor in factors} <= {change.pk for change in shown}


def test_nobody_reaches_those_of_others(browser, passkey):
    Authenticator.objects.update(user=make_user("other", password=PASSWORD))
    key = Authenticator.objects.get(type="webauthn").pk
    for what in ("rename", "remove"):
        assert browser.post(f"/account/passkeys/{key}/{what}/", {"name": "x"}).status_code == 404


def test_where_it_does_not_work_a_recovery_code_does(passkey):
    guest = Client()
    assert guest.post("/login/", {"username": "ada", "password": PASSWORD})["Location"] == CODE
    page = flat(guest.get(CODE))
    assert "Type one of your recovery codes." in page
    assert "Use a passkey" not in page
    code = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()[0]
    guest.post(CODE, {"code": code})
    assert is_in(guest)
    assert guest.get("/account/recovery-codes/")["Location"].startswith(CONFIRM)
    assert "Use a passkey" not in flat(guest.get(CONFIRM))
