"""Letting somebody in whose identity is known, in one way for password, link and invitation.

Who has a second factor is asked for it before the session begins; django-allauth leads through that.
"""

from __future__ import annotations

from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from django.http import HttpRequest, HttpResponse

from rpt_web.teams.models import User

BY_LINK = "by_link"
"""The session remembers that its user came by a link: they need not know the old password to set a new one."""


def enter(request: HttpRequest, user: User, how: str, where: str) -> HttpResponse:
    """Begin a session of this user and go on to an address, or ask for the second factor first."""
    user.backend = "django.contrib.auth.backends.ModelBackend"  # Django's login wants it
    record_authentication(request, user, method=how)
    response: HttpResponse = perform_login(request, Login(user=user, redirect_url=where))
    return response
