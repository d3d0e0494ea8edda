"""Who calls the API: the user of an unexpired token in `Authorization: Bearer`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from ninja.security import HttpBearer

from rpt_web.serving.problems import problem
from rpt_web.teams.audit import name_user
from rpt_web.teams.models import ApiToken, Scope, User, digest

NOTE_USE_EVERY = timedelta(minutes=1)
UNAUTHORIZED = "Give an API token that is valid: Authorization: Bearer rpt_... (the page of your account makes one)."


class TokenAuth(HttpBearer):
    """Bearer tokens; a token of an inactive user is worth nothing."""

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        """The token's user, who becomes the request's user too; None for no valid token."""
        now = timezone.now()
        valid = ApiToken.objects.select_related("user").filter(expires_at__gt=now, user__is_active=True)
        found = valid.filter(digest=digest(token)).first()
        if found is None:
            return None
        if found.last_used_at is None or now - found.last_used_at > NOTE_USE_EVERY:
            ApiToken.objects.filter(pk=found.pk).update(last_used_at=now)
        request.user = found.user
        found.user.scope = Scope(found.scope)
        name_user(found.user, token=found.name)
        return found.user


def token_required(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """For a view that is not one of the API's operations: 401 without a valid token."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if TokenAuth()(request) is None:
            return problem(401, UNAUTHORIZED)
        return view(request, *args, **kwargs)

    return guarded


def token_or_session(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """For what tells no more than pages do, such as the API's description: whoever is logged in reads it, too."""
    by_token = token_required(view)

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        has_session = request.method in ("GET", "HEAD") and request.user.is_authenticated
        return (view if has_session else by_token)(request, *args, **kwargs)

    return guarded
