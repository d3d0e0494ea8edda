"""Forms whose answer is their page again, under an address of their own: with what was wrong, or with a secret.

In: a view that takes what was sent. Out: the same; whoever loads the address again comes to the page of the form.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

View = Callable[..., HttpResponse]


def posted_from(page: str) -> Callable[[View], View]:
    """A view of POST alone; GET leads to the page of the form, whose address takes the same arguments."""

    def decorated(view: View) -> View:
        @require_http_methods(["GET", "HEAD", "POST"])
        @wraps(view)
        def answer(request: HttpRequest, **arguments: Any) -> HttpResponse:
            return view(request, **arguments) if request.method == "POST" else redirect(page, **arguments)

        return answer

    return decorated
