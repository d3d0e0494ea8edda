"""The link by which the first account of a platform is made: `manage.py up` prints it while there is no user.

In: nothing but the platform's secret key. Out: a signed token; worth nothing once somebody has an account, and after a
day.
"""

from __future__ import annotations

from django.core import signing
from django.db import connection, transaction

from rpt_web.teams.membership import first_team, join
from rpt_web.teams.models import Role, User

SALT = "rpt_web.teams.first"
SECONDS = 24 * 3600


def first_token() -> str:
    """A token of now."""
    return signing.dumps("first account", salt=SALT)


def is_open(token: str) -> bool:
    """Whether the first account can be made with this token."""
    try:
        signing.loads(token, salt=SALT, max_age=SECONDS)
    except signing.BadSignature:
        return False
    return not User.objects.exists()


def make_first(name: str, email: str | None, password: str) -> User | None:
    """A server administrator who is in the first team; None when somebody has an account by now."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('rpt_web.teams.first'))")
        if User.objects.exists():
            return None
        user = User.objects.create_superuser(name, email, password)
        join(user, first_team(), Role.ADMINISTRATOR)
    return user
