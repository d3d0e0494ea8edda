"""What the web server answers when it cannot do what was asked: a page, or problem+json under /api/.

Every error page and every sentence of a 500 carries the request's id, by which the log has the rest.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from django.urls import Resolver404

from rpt_web.serving.problems import problem

API = "/api/"
SENTENCES = {
    400: "The request could not be read.",
    403: "This is not allowed.",
    404: "There is nothing at this address.",
    405: "This address does not take such a request.",
    429: "There have been too many attempts. Wait some minutes, then try again.",
    500: "Something went wrong: an error in the platform, not yours. Its log has the details.",
    503: "The platform is busy. Try again in a few seconds.",
}


def request_id(request: HttpRequest) -> str:
    """The id that `serving.requests` has given; a dash where nothing did."""
    return getattr(request, "request_id", "-")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400."""
    return answer(request, 400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403, with what the refusal says."""
    return answer(request, 403, sentence=str(exception))


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404, with what is said of it; Django says of an address that is none which others there are."""
    said = "" if isinstance(exception, Resolver404) else str(exception)
    return answer(request, 404, sentence=said)


def too_many_attempts(request: HttpRequest) -> HttpResponse:
    """429, of django-allauth."""
    return answer(request, 429)


def server_error(request: HttpRequest) -> HttpResponse:
    """500. Django's logger has written the traceback already."""
    return answer(request, 500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form that did not come from one of our pages of this login."""
    return answer(request, 403, template="403_csrf.html")


def answer(
    request: HttpRequest, status: int, *, sentence: str = "", template: str = "", headers: dict[str, str] | None = None
) -> HttpResponse:
    """The answer of a status, as JSON or as a page."""
    identity = request_id(request)
    if request.path.startswith(API):
        sentence = f"{SENTENCES[status]} Request {identity}." if status >= 500 else SENTENCES[status]
        return problem(status, sentence, headers)
    words = {"request_id": identity, "sentence": sentence}
    page = render_to_string(template or f"{status}.html", words)  # without the user: it may be he
    return HttpResponse(page, status=status, headers=headers)


def in_words(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """The response; instead of a refusal without any words, one with them."""
    if response.status_code not in (400, 405) or not isinstance(response, HttpResponse) or response.content:
        return response
    kept: dict[str, Any] = {name: response.headers[name] for name in ("Allow",) if name in response.headers}
    return answer(request, response.status_code, headers=kept)
