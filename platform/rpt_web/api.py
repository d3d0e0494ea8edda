"""The API at /api/v1/, described at /api/v1/openapi.json. Everything asks for a token, the description too.

Errors are JSON: {"detail": a sentence} and, for a body that does not fit (422), {"errors": {field: what to do}}. How to
call it is in docs/api.md.
Lists are paged by key: `after` is the `next` of the page before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from http import HTTPStatus
from typing import Annotated, Any, Literal, cast

import pydantic
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI, Query
from ninja import Status as Answer
from ninja.errors import AuthenticationError, HttpError, ValidationError

from rpt_core.config import STAGES
from rpt_core.config.messages import messages_of
from rpt_core.errors import UserError
from rpt_core.hardware import hardware
from rpt_core.presets import Preset, load_preset, preset_names
from rpt_web.api_schemas import (
    Body,
    EvaluationOut,
    EventOut,
    ExperimentDetailOut,
    ExperimentIn,
    ExperimentOut,
    MetricsOut,
    Page,
    PreflightIn,
    PresetOut,
    Problem,
    RolloutOut,
    RunDetailOut,
    RunIn,
    RunOut,
    SuiteIn,
    TableOut,
)
from rpt_web.results.models import Evaluation
from rpt_web.runs import checks, planning, preflight, services
from rpt_web.runs.dependencies import blocked_by, is_in_progress
from rpt_web.runs.models import Experiment, Run, Status
from rpt_web.teams import access
from rpt_web.teams.models import User
from rpt_web.teams.tokens import UNAUTHORIZED, TokenAuth, token_required
from rpt_web.text import clean_text

api = NinjaAPI(
    title="Reinforcement pre-training",
    version="1",
    auth=TokenAuth(),
    docs_url=None,  # its page would load scripts from other machines
    docs_decorator=token_required,
    urls_namespace="api",
)
DOCUMENT = "/api/v1/openapi.json"
BODIES: dict[str | int, type[Body]] = {
    "asked": PreflightIn,
    "experiment": ExperimentIn,
    "run": RunIn,
    "suite": SuiteIn,
}
"""What is posted, by the parameter of the function that takes it."""
Kind = Literal["train", "sampled", "greedy"]
Reason = Literal["match", "mismatch", "not_on_boundary", "empty", "no_box"]
After = Annotated[int | None, Query(description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=500, description="At most this many items.")]


class WrongField(UserError):
    """What the user can mend in one field of the body."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(words)
        self.field = field


@api.get("/presets", response=list[PresetOut], tags=["experiments"])
def presets(request: HttpRequest) -> list[Preset]:
    """The plans that are shipped, each with what it lacks to run here."""
    return [load_preset(name) for name in preset_names()]


@api.get("/experiments", response=Page[ExperimentOut], tags=["experiments"])
def experiments(request: HttpRequest, after: After = None, limit: Limit = 50) -> dict[str, Any]:
    """Experiments, newest first."""
    return _page(access.experiments_for(_user(request)), "-id", after, limit)


@api.post("/experiments", response={201: ExperimentOut, 422: Problem}, tags=["experiments"])
def create_experiment(request: HttpRequest, experiment: ExperimentIn) -> Answer[Experiment]:
    """Make an experiment."""
    access.require_change(_user(request))
    if experiment.preset:
        with _refusals_at("preset"):
            load_preset(experiment.preset)
    with _refusals_at("name"):
        return Answer(201, services.create_experiment(user=_user(request), **experiment.model_dump()))


@api.get("/experiments/{int:experiment_id}", response=ExperimentDetailOut, tags=["experiments"])
def experiment_detail(request: HttpRequest, experiment_id: int) -> dict[str, Any]:
    """One experiment and how its runs are getting on."""
    found = access.get_experiment_or_404(_user(request), experiment_id)
    runs = list(found.runs.defer("config", "plan", "log_tail").order_by("id"))
    blocked = blocked_by(runs)
    states = [
        {name: getattr(run, name) for name in ("id", "name", "stage", "status", "needs")}
        | {"blocked_by": blocked.get(run.name, [])}
        for run in runs
    ]
    own = {name: getattr(found, name) for name in ExperimentOut.model_fields}
    return own | {"is_in_progress": is_in_progress(runs), "runs": states}


@api.post("/experiments/{int:experiment_id}/suite", response={201: list[RunOut], 422: Problem}, tags=["experiments"])
def submit_suite(request: HttpRequest, experiment_id: int, suite: SuiteIn) -> Answer[list[Run]]:
    """Submit every run of a plan, or none: those that need no other are queued, the others wait for their needs."""
    user = _user(request)
    experiment = access.get_experiment_or_404(user, experiment_id, to_change=True)
    plan = _plan(experiment, suite)
    with _refusals_at("seeds"):
        planning.suite(plan, suite.seeds)
    return Answer(
        201, _as_they_are(user, services.submit_suite(experiment, plan, user, suite.seeds, anyway=suite.anyway))
    )


@api.post("/experiments/{int:experiment_id}/resubmit", response={202: list[RunOut], 409: Problem}, tags=["experiments"])
def resubmit(request: HttpRequest, experiment_id: int) -> Answer[list[Run]]:
    """Bring back every run that failed, was cancelled or lost. What has succeeded is not run again."""
    user = _user(request)
    experiment = access.get_experiment_or_404(user, experiment_id, to_change=True)
    with _conflicts():
        return Answer(202, _as_they_are(user, services.resubmit(experiment, user)))


@api.post("/experiments/{int:experiment_id}/cancel", response={202: list[RunOut], 409: Problem}, tags=["experiments"])
def cancel_experiment(request: HttpRequest, experiment_id: int) -> Answer[list[Run]]:
    """Cancel every waiting and queued run at once and ask the running ones to stop. What has ended stays as it is."""
    user = _user(request)
    experiment = access.get_experiment_or_404(user, experiment_id, to_change=True)
    with _conflicts():
        return Answer(202, _as_they_are(user, services.cancel_experiment(experiment, user)))


@api.get("/runs", response=Page[RunOut], tags=["runs"])
def runs(
    request: HttpRequest,
    after: After = None,
    limit: Limit = 50,
    experiment: int | None = None,
    status: Status | None = None,
) -> dict[str, Any]:
    """Runs, newest first."""
    wanted = {"experiment": experiment, "status": status}
    found = access.runs_for(_user(request)).filter(
        **{name: value for name, value in wanted.items() if value is not None}
    )
    return _page(found.defer("config", "log_tail"), "-id", after, limit)


@api.post("/runs", response={201: RunDetailOut, 422: Problem}, tags=["runs"])
def submit_run(request: HttpRequest, run: RunIn) -> Answer[Run]:
    """Queue a run. Its config is frozen as it is given here, with every default written out."""
    user = _user(request)
    experiment = access.get_experiment_or_404(user, run.experiment, to_change=True)
    with _refusals_at("config"):
        checks.refuse_unstorable(run.config.model_dump(mode="json"))
    with _refusals_at("name"):
        return Answer(201, services.submit(experiment, run.name, run.config, user, title=run.title))


@api.post("/preflight", response={200: dict[str, Any], 422: Problem}, tags=["runs"])
def preflight_config(request: HttpRequest, asked: PreflightIn) -> dict[str, Any]:
    """What a config would need and what would go wrong, as far as this machine can see; nothing is queued."""
    with _refusals_at("hardware"):
        hardware(asked.hardware)
    values = cast(dict[str, Any], asked.config)
    return preflight.report(values["stage"], values, asked.hardware)


@api.get("/runs/{int:run_id}", response=RunDetailOut, tags=["runs"])
def run_detail(request: HttpRequest, run_id: int) -> Run:
    """One run."""
    return access.get_run_or_404(_user(request), run_id)


@api.post("/runs/{int:run_id}/cancel", response={202: RunOut, 409: Problem}, tags=["runs"])
def cancel_run(request: HttpRequest, run_id: int) -> Answer[Run]:
    """Ask a run to stop. A running one takes some seconds for its checkpoint; look at its status."""
    return _change(request, run_id, services.request_cancel)


@api.post("/runs/{int:run_id}/retry", response={202: RunOut, 409: Problem}, tags=["runs"])
def retry_run(request: HttpRequest, run_id: int) -> Answer[Run]:
    """Queue a failed, cancelled or lost run again; it goes on from its newest checkpoint."""
    return _change(request, run_id, services.retry)


@api.get("/runs/{int:run_id}/metrics", response=Page[MetricsOut], tags=["what a run wrote"])
def metrics(request: HttpRequest, run_id: int, after: After = None, limit: Limit = 200) -> dict[str, Any]:
    """Metrics by step."""
    return _page(_run(request, run_id).metrics.all(), "step", after, limit)


@api.get("/runs/{int:run_id}/events", response=Page[EventOut], tags=["what a run wrote"])
def events(request: HttpRequest, run_id: int, after: After = None, limit: Limit = 200) -> dict[str, Any]:
    """Events in their order."""
    return _page(_run(request, run_id).events.all(), "seq", after, limit)


@api.get("/runs/{int:run_id}/rollouts", response=Page[RolloutOut], tags=["what a run wrote"])
def rollouts(
    request: HttpRequest,
    run_id: int,
    after: After = None,
    limit: Limit = 50,
    step: int | None = None,
    kind: Kind | None = None,
    reason: Reason | None = None,
) -> dict[str, Any]:
    """Rollouts by step, kind and row."""
    user = _user(request)
    wanted = {"step": step, "kind": kind, "reason": reason}
    found = access.rollouts_for(user, access.get_run_or_404(user, run_id))
    return _page(found.filter(**{k: v for k, v in wanted.items() if v is not None}), "id", after, limit)


@api.get("/runs/{int:run_id}/evaluations", response=list[EvaluationOut], tags=["what a run wrote"])
def evaluations(request: HttpRequest, run_id: int) -> QuerySet[Evaluation]:
    """Accuracy by step, mode and difficulty."""
    return Evaluation.objects.filter(run=_run(request, run_id))


@api.get("/runs/{int:run_id}/tables", response=Page[TableOut], tags=["what a run wrote"])
def tables(
    request: HttpRequest, run_id: int, after: After = None, limit: Limit = 50, name: str | None = None
) -> dict[str, Any]:
    """Finished tables in the order in which they were recorded."""
    found = _run(request, run_id).tables.all()
    return _page(found if name is None else found.filter(name=clean_text(name)), "id", after, limit)


@api.exception_handler(AuthenticationError)
def _unauthorized(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    return api.create_response(request, {"detail": UNAUTHORIZED}, status=401)


@api.exception_handler(PermissionDenied)
def _forbidden(request: HttpRequest, error: PermissionDenied) -> HttpResponse:
    return api.create_response(request, {"detail": str(error)}, status=403)


@api.exception_handler(UserError)
def _refused(request: HttpRequest, error: UserError) -> HttpResponse:
    errors = {error.field: str(error)} if isinstance(error, WrongField) else {}
    return api.create_response(request, {"detail": str(error), "errors": errors}, status=422)


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    errors = messages_of([_placed(cast(Any, detail)) for detail in error.errors])
    return api.create_response(request, {"detail": "Some fields do not fit.", "errors": errors}, status=422)


@csrf_exempt  # or else a POST to a wrong address would get a page about cookies
@login_not_required
@token_required
def nothing_here(request: HttpRequest, rest: str = "") -> HttpResponse:
    """An address that is none of the API's, such as runs/abc."""
    words = f"There is nothing at {request.path}. The addresses are in {DOCUMENT}; ids are whole numbers."
    return JsonResponse({"detail": words}, status=404)


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


def _plan(experiment: Experiment, suite: SuiteIn) -> Preset:
    """The preset that a body names, or its own runs as one."""
    if suite.runs is None:
        with _refusals_at("preset"):
            return load_preset(suite.preset or experiment.preset)
    if suite.preset:
        raise WrongField("runs", "Give either `preset` or `runs`, not both.")
    try:
        return Preset(name="plan", description="", runs=tuple(suite.runs))
    except pydantic.ValidationError as error:
        raise WrongField("runs", f"These runs are no plan. {checks.in_words(error)}") from None


def _change(request: HttpRequest, run_id: int, act: Callable[[Run, User], None]) -> Answer[Run]:
    run = access.get_run_or_404(_user(request), run_id, to_change=True)
    with _conflicts():
        act(run, _user(request))
    run.refresh_from_db()
    return Answer(202, run)


@contextmanager
def _refusals_at(field: str) -> Iterator[None]:
    """What is refused in here is wrong in this field of the body."""
    try:
        yield
    except UserError as error:
        raise WrongField(field, str(error)) from None


@contextmanager
def _conflicts() -> Iterator[None]:
    """What the state of a run does not allow is a conflict, not a wrong body."""
    try:
        yield
    except UserError as error:
        raise HttpError(409, str(error)) from None


def _as_they_are(user: User, runs: Sequence[Run]) -> list[Run]:
    """The runs as the database has them now, in their order."""
    found = access.runs_for(user).in_bulk([run.pk for run in runs])
    return [found[run.pk] for run in runs]


def _page(rows: QuerySet[Any], order: str, after: int | None, limit: int) -> dict[str, Any]:
    """One page by key: `order` is the key's field, with a minus for newest first."""
    key = order.removeprefix("-")
    if after is not None:
        rows = rows.filter(**{f"{key}__{'lt' if order.startswith('-') else 'gt'}": after})
    found = list(rows.order_by(order)[: limit + 1])
    return {"items": found[:limit], "next": getattr(found[limit - 1], key) if len(found) > limit else None}


def _run(request: HttpRequest, run_id: int) -> Run:
    return access.get_run_or_404(_user(request), run_id)


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


def _opened(urls: tuple[Any, ...]) -> tuple[Any, ...]:
    """The addresses without the middleware that would send a client to the login page: the API answers 401 itself."""
    for pattern in urls[0]:
        pattern.callback = login_not_required(_wrong_method_in_json(pattern.callback))
    return urls


def _wrong_method_in_json(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @wraps(view)
    def answer(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
        response = view(request, *arguments, **named)
        if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
            return response
        allowed = ", ".join(sorted(response.headers["Allow"].split(", ")))  # it comes from a set
        words = f"{request.method} does nothing at {request.path}. What does something: {allowed}."
        return JsonResponse({"detail": words}, status=response.status_code, headers={"Allow": allowed})

    return answer


urls = _opened(api.urls)
