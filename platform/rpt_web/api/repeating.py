"""A call that creates may be sent again: with the header `Idempotency-Key`, it is carried out once.

In: a POST with a key. Out: the answer of the first such call of this user, word for word. Key, work and answer are one
transaction: a second call waits for the first one, and a call that failed or died leaves nothing, so that it may be
repeated with the same key. Answers are encrypted in the database: one may contain the address of a report's link, which
is otherwise stored nowhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from functools import wraps

from cryptography.fernet import InvalidToken
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from rpt_web.serving.problems import problem
from rpt_web.teams.adapters import sealed, unsealed
from rpt_web.teams.models import RepeatableCall, User
from rpt_web.teams.tokens import TokenAuth
from rpt_web.text import clean_text

HEADER = "Idempotency-Key"
REPEATED = "Idempotency-Repeated"
LONGEST_KEY = 200
KEPT = timedelta(hours=24)
OTHER_CALL = (
    "This Idempotency-Key was sent before with another address or body. Use a new key for a new call; to send a call "
    "again, send it unchanged."
)
OTHER_SECRET = (
    "This call was carried out, but its answer cannot be read any more: the platform's secret key is another one now. "
    "Look at what the call has made; for a new call, use a new key."
)
PARAMETER = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": LONGEST_KEY},
    "description": "A text of your own, such as a UUID: sent again within a day, the call does nothing and gets the "
    "same answer.",
}
"""What the OpenAPI document says of it."""
View = Callable[..., HttpResponse]


def repeatable(view: View) -> View:
    """The view of an address of the API, whose POSTs heed the header."""

    @wraps(view)
    def answer(request: HttpRequest, *arguments: object, **named: object) -> HttpResponse:
        key = request.headers.get(HEADER, "")
        if request.method != "POST" or not key:
            return view(request, *arguments, **named)
        if len(key) > LONGEST_KEY or clean_text(key) != key:
            return problem(422, f"The header {HEADER} takes up to {LONGEST_KEY} printable characters, such as a UUID.")
        user = TokenAuth()(request)
        if not isinstance(user, User):
            return view(request, *arguments, **named)  # which says what is wrong with the token
        return _once(user, key, request, lambda: view(request, *arguments, **named))

    return answer


def forget_old() -> int:
    """Delete the answers that are no longer kept; returns how many."""
    return RepeatableCall.objects.filter(made_at__lt=timezone.now() - KEPT).delete()[0]


def _once(user: User, key: str, request: HttpRequest, work: Callable[[], HttpResponse]) -> HttpResponse:
    call = f"{request.method} {request.get_full_path()}\n".encode() + request.body
    found = hashlib.sha256(call).hexdigest()
    with transaction.atomic():
        row, is_new = RepeatableCall.objects.get_or_create(user=user, key=key, defaults={"request_hash": found})
        if not is_new:
            return _repeated(row) if row.request_hash == found else problem(422, OTHER_CALL)
        response = work()
        if response.status_code >= 400:
            transaction.set_rollback(True)
            return response
        row.status, row.content_type = response.status_code, response.headers.get("Content-Type", "")
        row.body = sealed(response.content.decode()).encode()
        row.save(update_fields=["status", "content_type", "body"])
    return response


def _repeated(row: RepeatableCall) -> HttpResponse:
    try:
        body = unsealed(bytes(row.body).decode())
    except InvalidToken:
        return problem(409, OTHER_SECRET)
    return HttpResponse(body, status=row.status, content_type=row.content_type, headers={REPEATED: "true"})
