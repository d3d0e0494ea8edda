"""The page of one's account: password, tokens with their scopes, browsers."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from rpt_web.runs import services
from rpt_web.teams.models import ApiToken, Browser, Role, Scope
from tests.factories import PASSWORD, make_user
from tests.rpt_web.api_client import ROOT, client_of
from tests.rpt_web.markup import flat

BETTER = "a better one than before"


@pytest.fixture
def ada(db):
    return make_user("ada", password=PASSWORD)


@pytest.fixture
def browser(client, ada):
    client.force_login(ada)
    return client


def test_a_password_is_changed_and_other_browsers_are_logged_out(browser, ada):
    other = Client()
    other.force_login(ada)
    posted = {"old_password": PASSWORD, "new_password": BETTER, "again": BETTER}
    assert browser.post("/account/password", posted).status_code == 302
    ada.refresh_from_db()
    assert ada.check_password(BETTER)
    assert other.get("/").status_code == 302
    text = flat(browser.get("/account/"))
    assert "The password was changed." in text
    assert text.count("this one") == 1, "its own session is still known"


def test_a_password_is_not_changed_without_the_old_one(browser, ada):
    for old in ("", "wrong"):
        answer = browser.post("/account/password", {"old_password": old, "new_password": BETTER, "again": BETTER})
        assert answer.status_code == 422
    assert "This is not your password." in flat(answer)
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)


def test_tries_at_the_old_password_are_limited(browser, ada):
    wrong = {"old_password": "wrong", "new_password": BETTER, "again": BETTER}
    answers = [flat(browser.post("/account/password", wrong)) for _ in range(12)]
    assert "too many attempts" in answers[-1]
    assert "too many attempts" in flat(browser.post("/account/password", wrong | {"old_password": PASSWORD}))


def test_a_token_is_shown_once_and_works_until_it_is_revoked(browser, ada):
    answer = flat(browser.post("/account/tokens", {"name": "notebook", "scope": "read", "days": 30}))
    assert browser.get("/account/tokens")["Location"] == "/account/", "who loads the page again"
    secret = re.search(r"rpt_[\w-]{40,}", answer)[0]
    caller = Client(headers={"Authorization": f"Bearer {secret}"})
    assert "never" in flat(browser.get("/account/"))
    assert caller.get(f"{ROOT}/runs").status_code == 200
    page = flat(browser.get("/account/"))
    assert "notebook" in page
    assert secret not in page
    token = ApiToken.objects.get()
    assert token.last_used_at is not None
    assert timedelta(days=29) < token.expires_at - timezone.now() <= timedelta(days=30)
    assert browser.post(f"/account/tokens/{token.pk}/revoke").status_code == 302
    assert caller.get(f"{ROOT}/runs").status_code == 401


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"name": "a\u202eb"}, {"scope": "all"}, {"days": 0}, {"days": 366}, {"days": "x"}]
)
def test_a_token_that_cannot_be_is_not_made(browser, wrong):
    answer = browser.post("/account/tokens", {"name": "n", "scope": "read", "days": 30} | wrong)
    assert answer.status_code == 422
    assert not ApiToken.objects.exists()


def test_tokens_and_browsers_of_others_are_not_there(browser):
    eve = make_user("eve")
    hers = Client()
    hers.force_login(eve)
    ApiToken.issue(eve, "of Eve", timedelta(days=1))
    token, session = ApiToken.objects.get(), Browser.objects.get(user=eve)
    assert "of Eve" not in flat(browser.get("/account/"))
    assert browser.post(f"/account/tokens/{token.pk}/revoke").status_code == 404
    assert browser.post(f"/account/browsers/{session.pk}/end").status_code == 404
    assert hers.get("/").status_code == 200


def test_other_browsers_are_listed_and_logged_out(browser, ada):
    phone, laptop = Client(headers={"User-Agent": "Phone <b>"}, REMOTE_ADDR="192.0.2.7"), Client()
    for other in (phone, laptop):
        other.post("/login/", {"username": "ada", "password": PASSWORD})
    text = flat(browser.get("/account/"))
    assert "Phone &lt;b&gt;" in text
    assert "192.0.2.7" in text
    assert text.count("this one") == 1
    session = Browser.objects.get(address="192.0.2.7")
    assert browser.post(f"/account/browsers/{session.pk}/end").status_code == 302
    assert (phone.get("/").status_code, laptop.get("/").status_code) == (302, 200)
    assert "Phone" not in flat(browser.get("/account/"))
    Browser.objects.filter(user=ada).delete()  # as those from before they were kept
    assert browser.post("/account/browsers/end").status_code == 302
    assert (laptop.get("/").status_code, browser.get("/").status_code) == (302, 200)


SCOPES = {
    # what is asked: the least scope that a member's, and an administrator's token needs
    "read": ("get", "runs/{own}", Scope.READ),
    "submit": ("post", "experiments", Scope.WRITE),
    "cancel own": ("post", "runs/{own}/cancel", Scope.WRITE),
    "cancel others'": ("post", "runs/{others}/cancel", Scope.ADMIN),
}


@pytest.mark.parametrize("what", SCOPES)
@pytest.mark.parametrize("scope", Scope)
def test_a_token_does_no_more_than_its_scope(run, ada, what, scope):
    method, path, least = SCOPES[what]
    head = make_user("head", Role.ADMINISTRATOR)
    others = services.submit(run.experiment, "b", services_config(run), ada)
    run.created_by = head
    run.save(update_fields=["created_by"])
    caller = client_of(head, scope=scope)
    address = f"{ROOT}/{path.format(own=run.pk, others=others.pk)}"
    answer = getattr(caller, method)(address, *([{"name": "x"}, "application/json"] if method == "post" else []))
    may = list(Scope).index(scope) >= list(Scope).index(least)
    assert (answer.status_code in (200, 201, 202)) is may
    if not may:
        assert answer.status_code == 403
        assert f"This token has the scope {scope}" in answer.json()["detail"]


def services_config(run):
    from rpt_core.config import RptConfig

    return RptConfig.model_validate(run.config)


def test_a_viewers_token_is_not_what_is_to_blame(run):
    eve = make_user("eve", Role.VIEWER)
    answer = client_of(eve, scope=Scope.WRITE).post(f"{ROOT}/runs/{run.pk}/cancel")
    assert (answer.status_code, "Viewers" in answer.json()["detail"]) == (403, True)
