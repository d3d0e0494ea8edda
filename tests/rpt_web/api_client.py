"""A client of the API with a token of its own, and the config of a run that it may submit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.test import Client

from rpt_web.teams.models import ApiToken, Scope, User

ROOT = "/api/v1"
RUNNABLE = {"stage": "ntp", "scratch": {}, "corpus": {"source": "tiny", "tiny_documents": 50}, "budget": {"steps": 7}}
"""A config that nothing speaks against on any machine."""
CONFIG = {"stage": "rpt", "model": {"path": "m"}, "positions": "p", "steps": 7}


def client_of(user: User, lifetime: timedelta = timedelta(days=1), scope: Scope = Scope.ADMIN, **more: Any) -> Client:
    """A client that calls as this user."""
    secret = ApiToken.issue(user, "test", lifetime, scope)
    return Client(headers={"Authorization": f"Bearer {secret}"}, **more)
