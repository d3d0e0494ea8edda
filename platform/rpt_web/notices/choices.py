"""What people get by e-mail.

In: a user. Out: the kinds of notices, each with whether it goes out to them.
"""

from __future__ import annotations

from collections.abc import Collection

from rpt_web.notices.models import BY_MAIL, MailChoice, NoticeKind
from rpt_web.teams.models import User


def of_user(user: User) -> list[tuple[NoticeKind, bool]]:
    """All kinds, each with whether the user gets it by e-mail (1 query)."""
    kinds = MailChoice.objects.filter(user=user).values_list("kinds", flat=True).first()
    chosen: Collection[str] = BY_MAIL if kinds is None else kinds
    return [(kind, kind in chosen) for kind in NoticeKind]


def choose(user: User, kinds: Collection[str]) -> None:
    """Only these from now on; what is no kind is left out."""
    MailChoice.objects.update_or_create(user=user, defaults={"kinds": [kind for kind in NoticeKind if kind in kinds]})
