"""How the API refuses: problem+json with a sentence in `detail` and, where fields do not fit, `errors` by field.

In: the API with all its operations, and what they raise. Out: answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from http import HTTPStatus
from typing import Any, ClassVar, Self, cast

import pydantic
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.openapi.schema import REF_TEMPLATE
from ninja.operation import Operation
from ninja.params.models import ParamModel
from ninja.parser import Parser
from pydantic_core import InitErrorDetails, PydanticCustomError

from rpt_core.config import STAGES
from rpt_core.config.messages import messages_of
from rpt_core.config.reading import TOO_DEEP, refuse_too_deep
from rpt_core.errors import UserError, said
from rpt_web.api import repeating
from rpt_web.api.bodies import Body, ExperimentIn, PreflightIn, RunIn, SuiteIn
from rpt_web.api.schemas import Refused
from rpt_web.runs.findings import HeldBack, NeedsConfirmation
from rpt_web.runs.preflight import RETRY_AFTER_SECONDS, TooManyChecks
from rpt_web.serving.problems import MEDIA_TYPE, problem
from rpt_web.teams.tokens import UNAUTHORIZED, token_required

DOCUMENT = "/api/v1/openapi.json"
BODIES: dict[str | int, type[Body]] = {
    "asked": PreflightIn,
    "experiment": ExperimentIn,
    "run": RunIn,
    "suite": SuiteIn,
}
"""What is posted, by the parameter of the function that takes it."""
REFUSALS = {
    400: "The body is not JSON.",
    401: "The token is missing or not valid.",
    403: "The token's user may not do this.",
    404: "Nothing has the id in the address.",
    408: "The body did not arrive in time.",
    409: "The run's state does not allow it, or pre-flight has warnings to confirm.",
    413: "The body is too large.",
    422: "The body or the query does not fit.",
    500: "An error in the platform; the sentence ends with the id of the request.",
    503: "The platform is busy. Try again after the number of seconds in `Retry-After`.",
}
"""What each status means that is no success. Whatever answers for the API has one of them."""
EVERYWHERE, WITH_A_BODY, WITH_AN_ID, TO_CHANGE = (401, 422, 500, 503), (400, 408, 413), (404,), (403,)


class BoundedParser(Parser):
    """Ninja's reader of JSON, for what is not nested too deep to be walked over."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        """The body. Raises UserError, which Ninja makes the cause of a 400."""
        data = super().parse_body(request)
        refuse_too_deep(data)
        return data


class WrongField(UserError):
    """What the user can correct in one field of the body."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(words)
        self.field = field


@contextmanager
def refusals_at(field: str) -> Iterator[None]:
    """What is refused or not found in here is wrong in this field of the body."""
    try:
        yield
    except (UserError, Http404) as error:
        raise WrongField(field, str(error)) from None


@contextmanager
def conflicts() -> Iterator[None]:
    """What the state of a run does not allow is a conflict, not a wrong body."""
    try:
        yield
    except UserError as error:
        raise HttpError(409, str(error)) from None


class _OtherParameters(ParamModel):
    """The names in a query that are no parameters of the operation. Ninja drops them, even for a model that forbids."""

    known: ClassVar[tuple[str, ...]]

    @classmethod
    def get_request_data(cls, request: HttpRequest, api: NinjaAPI, path_params: dict[str, Any]) -> dict[str, Any]:
        """What else is in the query."""
        return {name: value for name, value in request.GET.items() if name not in cls.known}

    @classmethod
    def resolve(cls, request: HttpRequest, api: NinjaAPI, path_params: dict[str, Any]) -> Self:
        """Nothing, or pydantic's error with one entry for each name."""
        rest = f"The parameters are: {', '.join(cls.known)}." if cls.known else "This address takes none."
        wrong = PydanticCustomError("no_such_parameter", cast(Any, f"There is no such parameter. {rest}"))
        others = cls.get_request_data(request, api, path_params)
        if others:
            details = [InitErrorDetails(type=wrong, loc=(name,), input=value) for name, value in others.items()]
            raise pydantic.ValidationError.from_exception_data("query", details)
        return cls()


def refuse_other_parameters(api: NinjaAPI) -> None:
    """Every operation refuses parameters that it has not: a slip in a name would silently leave a filter out."""
    for view in api.default_router.path_operations.values():
        for operation in view.operations:
            queries = [model for model in operation.models if model.__ninja_param_source__ == "query"]
            known = tuple(name for model in queries for name in cast(Any, model).__ninja_flatten_map__)
            of_query = {"__ninja_param_source__": "query", "__ninja_flatten_map_reverse__": {}}
            operation.models.append(type("OtherParameters", (_OtherParameters,), of_query | {"known": known}))


def describe_refusals(api: NinjaAPI) -> None:
    """The document names every status that an operation may answer with, beside those that it declares itself.

    Not as Ninja's answers: to make and describe a model for each of them would take more than a second.
    """
    body = {MEDIA_TYPE: {"schema": {"$ref": REF_TEMPLATE.format(model=Refused.__name__)}}}
    for view in api.default_router.path_operations.values():
        for operation in view.operations:
            found = {status: {"content": body} for status in _refusals(operation)}
            named = [status for status in REFUSALS if status in {*found, *operation.response_models}]
            own = (operation.openapi_extra or {}).get("responses", {})
            told = {status: {**found.get(status, {}), "description": REFUSALS[status]} for status in named}
            operation.openapi_extra = {"responses": own | told}


def told_of_headers(document: dict[str, Any]) -> dict[str, Any]:
    """The document with what Ninja cannot say: the type of refusals, and the header that a POST heeds."""
    for methods in document["paths"].values():
        for method, operation in methods.items():
            for status, answer in operation["responses"].items():
                if int(status) >= 400 and "application/json" in answer.get("content", {}):
                    answer["content"] = {MEDIA_TYPE: answer["content"]["application/json"]}
            if method == "post":
                operation.setdefault("parameters", []).append(repeating.PARAMETER)
    return document


def _refusals(operation: Operation) -> tuple[int, ...]:
    """What follows from the kind of the operation. Nothing is posted that changes nothing."""
    sources = {model.__ninja_param_source__ for model in operation.models}
    found = EVERYWHERE + (WITH_A_BODY if "body" in sources else ()) + (WITH_AN_ID if "path" in sources else ())
    return found if operation.methods == ["GET"] else found + TO_CHANGE


def answer_errors(api: NinjaAPI) -> None:
    """Every error of an operation becomes JSON."""
    api.exception_handler(AuthenticationError)(_unauthorized)
    api.exception_handler(PermissionDenied)(_forbidden)
    api.exception_handler(Http404)(_not_found)
    api.exception_handler(HttpError)(_http_error)
    api.exception_handler(UserError)(_refused)
    api.exception_handler(HeldBack)(_kept_back)
    api.exception_handler(TooManyChecks)(_busy)
    api.exception_handler(ValidationError)(_invalid)


def _unauthorized(request: HttpRequest, error: Exception) -> HttpResponse:
    return problem(401, UNAUTHORIZED)


def _forbidden(request: HttpRequest, error: Exception) -> HttpResponse:
    return problem(403, str(error))


def _not_found(request: HttpRequest, error: Exception) -> HttpResponse:
    return problem(404, str(error))


def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Ninja does not tell why a body cannot be read: the reason is the cause of its error."""
    cause = error.__cause__
    if error.status_code != HTTPStatus.BAD_REQUEST or cause is None:
        return problem(error.status_code, str(error))
    if isinstance(cause, json.JSONDecodeError):
        return problem(400, f"The body is not JSON. Line {cause.lineno}, column {cause.colno}: {cause.msg}.")
    if isinstance(cause, RecursionError | UserError):
        return problem(400, f"The body cannot be used. {TOO_DEEP}")
    return problem(400, f"The body cannot be read as JSON: {said(cause)}.")


def _refused(request: HttpRequest, error: Exception) -> HttpResponse:
    return problem(422, str(error), errors={error.field: str(error)} if isinstance(error, WrongField) else {})


def _kept_back(request: HttpRequest, error: HeldBack) -> HttpResponse:
    """409 for what may be submitted anyway. A field of a plan's run is none of the body's."""
    found = [finding.as_json() for finding in error.findings]
    wrong = [finding for finding in error.findings if finding.level == "error" and not finding.runs]
    errors = {f"config.{finding.field}": finding.message for finding in wrong if finding.field}
    return problem(409 if isinstance(error, NeedsConfirmation) else 422, str(error), errors=errors, findings=found)


def _busy(request: HttpRequest, error: Exception) -> HttpResponse:
    response = problem(503, str(error))
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    errors = messages_of([_placed(cast(Any, detail)) for detail in error.errors])
    return problem(422, "Some fields do not fit.", errors=errors)


def _placed(detail: dict[str, Any]) -> Any:
    """One of pydantic's errors with its place in the body; of a field that the body has not, with those that it has."""
    location, model = detail["loc"], BODIES.get(detail["loc"][1])
    if detail["type"] == "extra_forbidden" and model and len(location) == 3:
        words = f"There is no such field. The fields are: {', '.join(model.model_fields)}."
        detail = detail | {"type": "no_such_field", "msg": words}
    return detail | {"loc": _field(location)}


def _field(location: Sequence[str | int]) -> Sequence[str | int]:
    """Where a field stands in the body: without the names of the parameter and of the config's stage."""
    if location[0] != "body":
        return location[1:]
    if len(location) > 3 and location[2] == "config" and location[3] in STAGES:
        return (location[2], *location[4:])
    return location[2:]


@csrf_exempt  # or else a POST to a wrong address would get a page about cookies
@login_not_required
@token_required
def nothing_here(request: HttpRequest, rest: str = "") -> HttpResponse:
    """An address that is none of the API's, such as runs/abc."""
    return problem(404, f"There is nothing at {request.path}. The addresses are in {DOCUMENT}; ids are whole numbers.")


def tokens_alone(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A view below /api/ that is no operation: a token lets in, a session does not, and refusals are JSON."""

    @csrf_exempt
    @login_not_required
    @token_required
    @wraps(view)
    def guarded(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
        try:
            return view(request, *arguments, **named)
        except Http404 as error:
            return _not_found(request, error)
        except PermissionDenied as error:
            return _forbidden(request, error)

    return wrong_method_in_json(cast(Callable[..., HttpResponse], guarded))


def wrong_method_in_json(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The view, with an answer in JSON to a method that it has not."""

    @wraps(view)
    def answer(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
        response = view(request, *arguments, **named)
        if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
            return response
        allowed = ", ".join(sorted(response.headers["Allow"].split(", ")))  # it comes from a set
        words = f"{request.path} does not take {request.method}. It takes {allowed}."
        return problem(response.status_code, words, {"Allow": allowed})

    return answer
