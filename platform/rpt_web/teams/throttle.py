"""How often somebody may try to log in: by account, by address, and by both, within a quarter of an hour.

In: the name and the address of an attempt, before its password is looked at. Out: whether it may go on. An attempt is
written down before it is decided, so that many at the same time do not all slip through; one that succeeds wipes those
of its account from its address. Names are kept as digests: people type passwords into the wrong field.
"""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from rpt_web.teams.models import LoginAttempt, digest

WINDOW = timedelta(minutes=15)
MOST_OF_BOTH, MOST_OF_ONE = 10, 30
"""Attempts at one account from one address; at one account from anywhere, and from one address at any account."""


def may_try(username: str, address: str) -> bool:
    """Write an attempt down; False when there have been too many (5 queries)."""
    began = timezone.now() - WINDOW
    LoginAttempt.objects.filter(at__lt=began).delete()
    account = digest(username)
    LoginAttempt.objects.create(account=account, address=address, at=timezone.now())
    recent = LoginAttempt.objects.filter(at__gte=began)
    return (
        recent.filter(account=account, address=address).count() <= MOST_OF_BOTH
        and recent.filter(account=account).count() <= MOST_OF_ONE
        and recent.filter(address=address).count() <= MOST_OF_ONE
    )


def forget(username: str, address: str) -> None:
    """The attempt has succeeded."""
    LoginAttempt.objects.filter(account=digest(username), address=address).delete()
