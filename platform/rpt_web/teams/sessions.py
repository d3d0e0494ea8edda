"""Which logins somebody has, whether they still stand, and ending them.

A login ends when its session is deleted (log-out) or has run out, when its user is deactivated or has a new password.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from rpt_web.teams.models import Browser, User
from rpt_web.text import clean_text


class Login(NamedTuple):
    """One login of a user in one browser."""

    session_key: str
    user_id: int
    password_mark: str
    """Changes with the password."""


def login_of(request: HttpRequest) -> Login:
    """The login of a request of a page behind login (reads the user, who is known by then)."""
    user = request.user
    assert isinstance(user.pk, int)
    return Login(request.session.session_key or "", user.pk, user.get_session_auth_hash())


def still_valid(logins: Iterable[Login]) -> set[Login]:
    """Those of the logins that stand (2 queries)."""
    asked = set(logins)
    keys, people = {login.session_key for login in asked}, {login.user_id for login in asked}
    sessions = set(
        Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now()).values_list(
            "session_key", flat=True
        )
    )
    marks = {user.pk: user.get_session_auth_hash() for user in User.objects.filter(pk__in=people, is_active=True)}
    return {
        login
        for login in asked
        if login.session_key in sessions and constant_time_compare(marks.get(login.user_id, ""), login.password_mark)
    }


def note(sender: Any, request: HttpRequest, user: User, **_: Any) -> None:
    """Keep which browser somebody has logged in with; called by Django at each login (1 query)."""
    if (key := request.session.session_key) is None:
        return
    values = {
        "user": user,
        "address": str(request.META.get("REMOTE_ADDR", ""))[:64],
        "agent": clean_text(str(request.META.get("HTTP_USER_AGENT", "")))[:200],
    }
    Browser.objects.update_or_create(session_key=key, defaults=values)


def moved(old_key: str | None, new_key: str | None) -> None:
    """The same session has another key (Django gives one with a new password)."""
    if old_key and new_key and old_key != new_key:
        Browser.objects.filter(session_key=old_key).update(session_key=new_key)


def sessions_of(user: User) -> list[Browser]:
    """The browsers in which somebody is logged in, newest first (2 queries)."""
    browsers = list(user.browsers.all())
    alive = Session.objects.filter(session_key__in=[found.session_key for found in browsers])
    keys = set(alive.filter(expire_date__gt=timezone.now()).values_list("session_key", flat=True))
    return [found for found in browsers if found.session_key in keys]


def end(browser: Browser) -> None:
    """Log a browser out."""
    Session.objects.filter(session_key=browser.session_key).delete()
    browser.delete()


def end_all(user: User, but: str = "") -> int:
    """Log somebody out everywhere, but in one session; returns in how many. Looks into all sessions there are."""
    alive = Session.objects.filter(expire_date__gt=timezone.now()).exclude(session_key=but)
    theirs = [found.pk for found in alive.iterator() if found.get_decoded().get(SESSION_KEY) == str(user.pk)]
    Session.objects.filter(pk__in=theirs).delete()
    user.browsers.filter(session_key__in=theirs).delete()
    return len(theirs)
