"""Which login somebody came in by, and whether it still stands: for what goes on long after its request.

A login ends when its session is deleted (log-out) or has run out, when its user is deactivated or has a new password.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from rpt_web.teams.models import User


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
