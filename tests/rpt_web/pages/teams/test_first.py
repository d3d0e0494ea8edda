"""The first account is made in the browser, by a link that works only while there is no user."""

from __future__ import annotations

import pytest
from django.core import signing
from django.urls import reverse

from rpt_web.teams import first
from rpt_web.teams.models import User
from tests.factories import make_user
from tests.rpt_web.markup import flat

pytestmark = pytest.mark.django_db
PASSWORD = "a long and unusual password"
FORM = {"username": "ada", "email": "", "new_password": PASSWORD, "again": PASSWORD}


@pytest.fixture
def link():
    return reverse("teams:first", args=[first.first_token()])


def test_the_first_account_administers_platform_and_team_and_the_link_is_dead_then(client, link):
    assert "Make the first account" in flat(client.get(link))
    assert client.post(link, FORM)["Location"] == reverse("home:home")
    ada = User.objects.get()
    assert (ada.username, ada.is_superuser, ada.memberships.get().role) == ("ada", True, "administrator")
    assert "You administer this platform" in flat(client.get(reverse("home:home")))
    client.logout()
    again = client.post(link, FORM | {"username": "grace"})
    assert (again.status_code, "This link no longer works" in flat(again)) == (410, True)
    assert User.objects.count() == 1


def test_a_weak_password_is_refused_in_words_and_makes_nobody(client, link):
    answer = client.post(link, FORM | {"new_password": "short", "again": "short"})
    assert answer.status_code == 422
    assert "password" in flat(answer)
    assert not User.objects.exists()


def test_a_foreign_and_an_old_link_do_not_work(client, link, settings):
    old = signing.dumps("first account", salt=first.SALT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(first, "SECONDS", -1)
        assert client.get(reverse("teams:first", args=[old])).status_code == 410
    settings.SECRET_KEY = "another"
    assert client.get(link).status_code == 410
    assert client.post(link, FORM).status_code == 410


def test_who_is_second_gets_nothing(link, client):
    make_user("grace")
    assert first.make_first("ada", None, PASSWORD) is None
    assert client.get(link).status_code == 410
