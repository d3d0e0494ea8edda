"""A form that is sent twice, by a double click or after the Back button, makes its things once.

In: a view that makes something and then leads to it, and a form with `{% once %}`. Out: for the same form with the same
values, the place to which the first one led. A form that was refused, or whose values differ, is carried out.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from rpt_web.teams.models import RepeatableCall, User

FIELD = "once"
LOOKS = {"check", "sweep_check", "follow", "difference", "download"}
"""What is sent when a form is only looked at."""
PATIENCE_SECONDS = 20.0
STILL = "It is being submitted. Look at the list of runs in a moment."
AGAIN = "This was submitted before, and is here. To submit it once more, open the form again."
View = Callable[..., HttpResponse]


def made_once(view: View) -> View:
    """The view, whose submits are carried out once."""

    @wraps(view)
    def answer(request: HttpRequest, **arguments: Any) -> HttpResponse:
        carried_out = partial(view, **arguments)
        if request.method != "POST" or not request.POST.get(FIELD) or LOOKS & set(request.POST):
            return carried_out(request)
        row, is_new = RepeatableCall.objects.get_or_create(user=cast(User, request.user), key=f"form:{_hash(request)}")
        return _first(carried_out, request, row) if is_new else _again(request, row)

    return answer


def _hash(request: HttpRequest) -> str:
    fields = sorted((name, request.POST.getlist(name)) for name in request.POST if name != "csrfmiddlewaretoken")
    return hashlib.sha256(f"{request.get_full_path()}\n{fields!r}".encode("utf-8", "replace")).hexdigest()


def _first(view: View, request: HttpRequest, row: RepeatableCall) -> HttpResponse:
    response = None
    try:
        response = view(request)
        return response
    finally:
        if response is not None and response.status_code == 302:
            row.status, row.body = response.status_code, response.headers["Location"].encode()
            row.save(update_fields=["status", "body"])
        else:
            row.delete()


def _again(request: HttpRequest, row: RepeatableCall) -> HttpResponse:
    """Where the first one led; it may be under way."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := RepeatableCall.objects.filter(pk=row.pk).first()) is not None and not found.status:
        if time.monotonic() > deadline:
            messages.info(request, STILL)
            return redirect("runs:run_list")
        time.sleep(0.1)
    if found is None:
        messages.error(request, "It was not submitted. Look at the form, and submit it again.")
        return redirect(request.get_full_path())
    messages.info(request, AGAIN)
    return redirect(bytes(found.body).decode())
