"""Django's sessions in the database, read by a query that is written once: every page reads one."""

from __future__ import annotations

from django.contrib.sessions.backends.db import SessionStore as InDatabase
from django.contrib.sessions.models import Session
from django.utils import timezone

from rpt_web.prepared import Given, Prepared

FIELDS = ("session_key", "session_data", "expire_date")
ALIVE = Prepared(
    lambda: Session.objects.filter(session_key=Given("key"), expire_date__gt=Given("now")).values_list(*FIELDS)
)


class SessionStore(InDatabase):
    """What the setting SESSION_ENGINE asks for."""

    def _get_session_from_db(self) -> Session | None:
        for key, data, expires in ALIVE.rows(key=self.session_key, now=timezone.now()):
            return Session(key, data, expires)
        self._session_key = None
        return None
