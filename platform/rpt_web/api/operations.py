"""The API at /api/v1/, described at /api/v1/openapi.json. All asks for a token; a session may read the description.

How to call it is in docs/api.md, how it refuses in `api.errors`.
Lists are paged by key: `after` is the `next` from the page before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from types import SimpleNamespace
from typing import Any, Literal, cast

from django.contrib.auth.decorators import login_not_required
from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import NinjaAPI
from ninja import Status as Answer

from rpt_core.config import Split
from rpt_core.plans.preset import Preset, load_preset, preset_names
from rpt_web import access
from rpt_web.api import (
    comments,
    compare,
    corpora,
    exhibits,
    groups,
    inbox,
    leaderboard,
    library,
    machines,
    plans,
    positions,
    prompts,
    removal,
    reports,
    review,
    review_items,
    review_pairs,
    run_files,
    run_table,
    searches,
)
from rpt_web.api.bodies import ExperimentIn, PreflightIn, RunIn, SuiteIn, plan_of
from rpt_web.api.document_schemas import DocumentOut, SplitOut
from rpt_web.api.errors import (
    BoundedParser,
    answer_errors,
    conflicts,
    describe_refusals,
    nothing_here,
    refusals_at,
    refuse_other_parameters,
    told_of_headers,
    wrong_method_in_json,
)
from rpt_web.api.paging import After, Limit
from rpt_web.api.paging import page_of as _page
from rpt_web.api.paging import user_of as _user
from rpt_web.api.repeating import repeatable
from rpt_web.api.schemas import (
    AlarmOut,
    EvaluationOut,
    EventOut,
    ExperimentDetailOut,
    ExperimentOut,
    MetricsOut,
    Page,
    PresetOut,
    Refused,
    RolloutOut,
    RunDetailOut,
    RunOut,
    TableOut,
    TeamOut,
)
from rpt_web.corpora import token_maps
from rpt_web.corpora.models import ScoredSplit
from rpt_web.notices.models import Alarm
from rpt_web.results.models import Evaluation
from rpt_web.runs import archive, checks, findings, own_plans, places, preflight, services, usage
from rpt_web.runs.models import Experiment, Priority, Run, Status, blocked_by, is_in_progress
from rpt_web.teams.models import User
from rpt_web.teams.tokens import TokenAuth, token_or_session
from rpt_web.text import clean_text
from rpt_web.traces import queries as traces

__all__ = ["api", "nothing_here", "urls"]


class _Api(NinjaAPI):
    """Ninja's, with a description that is made once: that takes most of a second, and each reader would wait for it."""

    @cached_property
    def _described(self) -> Any:
        return told_of_headers(super().get_openapi_schema())

    def get_openapi_schema(self, **_: Any) -> Any:
        """The OpenAPI document; do not change it."""
        return self._described


api = _Api(
    title="Reinforcement pre-training",
    version="1",
    parser=BoundedParser(),
    auth=TokenAuth(),
    docs_url=None,  # its page would load scripts from other machines
    docs_decorator=token_or_session,
    urls_namespace="api",
)
Kind = Literal["train", "sampled", "greedy"]
Reason = Literal["match", "mismatch", "not_on_boundary", "empty", "no_box"]


@api.get("/presets", response=list[PresetOut], tags=["experiments"])
def presets(request: HttpRequest) -> list[Preset]:
    """The plans that are shipped, each with what it lacks to run here."""
    return [load_preset(name) for name in preset_names()]


@api.get("/teams", response=list[TeamOut], tags=["experiments"])
def teams(request: HttpRequest) -> list[dict[str, Any]]:
    """The teams of the token's user, by name."""
    roles = access.roles_of(_user(request))
    used = usage.of_teams(list(roles))
    return [
        {
            "id": team.pk,
            "name": team.name,
            "role": role,
            "disk_bytes": used[team.pk].total,
            "quota_bytes": team.quota_bytes,
        }
        for team, role in roles.items()
    ]


@api.get("/experiments", response=Page[ExperimentOut], tags=["experiments"])
def experiments(request: HttpRequest, after: After = None, limit: Limit = 50, archived: bool = False) -> dict[str, Any]:
    """Experiments, newest first: those in sight, or those that are archived."""
    found = access.experiments_for(_user(request))
    return _page(found.filter(archived_at__isnull=not archived), "-id", after, limit)


@api.post("/experiments", response={201: ExperimentOut}, tags=["experiments"])
def create_experiment(request: HttpRequest, experiment: ExperimentIn) -> Answer[Experiment]:
    """Make an experiment, in a team where the token's user may change things."""
    user = _user(request)
    access.require_change_somewhere(user)
    values = experiment.model_dump()
    asked = values.pop("team")
    with refusals_at("team"):
        team = None if asked is None else access.get_team_or_404(user, asked, to_change=True)
    return Answer(201, services.create_experiment(user=user, team=team, **values))


@api.get("/experiments/{int:experiment_id}", response=ExperimentDetailOut, tags=["experiments"])
def experiment_detail(request: HttpRequest, experiment_id: int) -> SimpleNamespace:
    """One experiment and how its runs are getting on."""
    found = access.get_experiment_or_404(_user(request), experiment_id)
    runs = list(found.runs.defer("config", "plan", "log_tail").order_by("id"))
    blocked = blocked_by(runs)
    states = [
        {name: getattr(run, name) for name in ("id", "name", "stage", "status", "needs")}
        | {"blocked_by": blocked.get(run.name, [])}
        for run in runs
    ]
    own = {name: getattr(found, name) for name in ExperimentOut.model_fields if name != "shared_by"}
    return SimpleNamespace(**own, team=found.team, is_in_progress=is_in_progress(runs), runs=states)


@api.post("/experiments/{int:experiment_id}/suite", response={201: list[RunOut], 409: Refused}, tags=["experiments"])
def submit_suite(request: HttpRequest, experiment_id: int, suite: SuiteIn) -> Answer[list[Run]]:
    """Submit every run of a plan, or none: those that need no other are queued, the others wait for their needs.

    Pre-flight looks at all of them before: what would fail is refused (422), what is doubtful asks (409).
    """
    user = _user(request)
    experiment = access.get_experiment_or_404(user, experiment_id, to_change=True)
    plan, priority = _plan(user, experiment, suite), _priority(user, experiment, suite.priority)
    services.refuse_taken_names(experiment, plan, suite.seeds)
    hardware = suite.hardware or findings.usual_hardware([run.config for run in plan.runs], plan.name)
    findings.require(findings.of_plan(plan, experiment.seed, hardware, [experiment.team_id]), anyway=suite.anyway)
    made = services.submit_suite(experiment, plan, user, suite.seeds, anyway=True, priority=priority)
    return Answer(201, _as_they_are(user, made))


@api.post("/experiments/{int:experiment_id}/resubmit", response={202: list[RunOut], 409: Refused}, tags=["experiments"])
def resubmit(request: HttpRequest, experiment_id: int) -> Answer[list[Run]]:
    """Bring back every run that failed, was cancelled or lost; a member, their own. What has succeeded stays."""
    user = _user(request)
    experiment = access.get_experiment_or_404(user, experiment_id, to_change=True)
    with conflicts():
        return Answer(
            202, _as_they_are(user, services.resubmit(experiment, user, of=access.steered_by(user, experiment)))
        )


@api.post("/experiments/{int:experiment_id}/cancel", response={202: list[RunOut], 409: Refused}, tags=["experiments"])
def cancel_experiment(request: HttpRequest, experiment_id: int) -> Answer[list[Run]]:
    """Cancel every waiting and queued run at once and ask the running ones to stop. What has ended stays as it is."""
    user = _user(request)
    experiment = access.get_experiment_or_404(user, experiment_id, to_change=True)
    with conflicts():
        return Answer(
            202,
            _as_they_are(user, services.cancel_experiment(experiment, user, of=access.steered_by(user, experiment))),
        )


@api.get("/runs", response=Page[RunOut], tags=["runs"])
def runs(
    request: HttpRequest,
    after: After = None,
    limit: Limit = 50,
    experiment: int | None = None,
    status: Status | None = None,
    archived: bool = False,
) -> dict[str, Any]:
    """Runs, newest first: those in sight, or those that are archived themselves or with their experiment."""
    wanted = {"experiment": experiment, "status": status}
    found = access.runs_for(_user(request)).filter(
        **{name: value for name, value in wanted.items() if value is not None}
    )
    shown = found.exclude(archive.RUN_IN_SIGHT) if archived else found.filter(archive.RUN_IN_SIGHT)
    return _page(shown.defer("config", "log_tail"), "-id", after, limit)


@api.post("/runs", response={201: RunDetailOut, 409: Refused}, tags=["runs"])
def submit_run(request: HttpRequest, run: RunIn) -> Answer[Run]:
    """Queue a run. Its config is frozen as it is given here, with every default written out.

    Pre-flight looks at it before: what would fail is refused (422), what is doubtful asks (409).
    """
    user = _user(request)
    with refusals_at("experiment"):
        experiment = access.get_experiment_or_404(user, run.experiment, to_change=True)
    with refusals_at("name"):
        checks.refuse_taken_name(experiment, run.name)
    priority = _priority(user, experiment, run.priority)
    hardware = run.hardware or findings.usual_hardware(run.config.model_dump(mode="json"), experiment.preset)
    findings.require(findings.of_config(run.config, hardware, [experiment.team_id]), anyway=run.anyway)
    with refusals_at("name"):
        made = services.submit(experiment, run.name, run.config, user, title=run.title, priority=priority)
        return Answer(201, made)


@api.post("/preflight", response=dict[str, Any], tags=["runs"])
def preflight_config(request: HttpRequest, asked: PreflightIn) -> dict[str, Any]:
    """What a config would need and what would go wrong, as far as this machine can see; nothing is queued."""
    access.require_change_somewhere(_user(request))
    values, teams = cast(dict[str, Any], asked.config), access.teams_to_change(_user(request))
    person = _user(request).pk
    return preflight.report(values["stage"], values, asked.hardware, [team.pk for team in teams], person=person)


@api.get("/runs/{int:run_id}", response=RunDetailOut, tags=["runs"])
def run_detail(request: HttpRequest, run_id: int) -> Run:
    """One run."""
    return access.get_run_or_404(_user(request), run_id)


@api.post("/runs/{int:run_id}/cancel", response={202: RunOut, 409: Refused}, tags=["runs"])
def cancel_run(request: HttpRequest, run_id: int) -> Answer[Run]:
    """Ask a run to stop. A running one takes some seconds for its checkpoint; look at its status."""
    return _change(request, run_id, services.request_cancel)


@api.post("/runs/{int:run_id}/retry", response={202: RunOut, 409: Refused}, tags=["runs"])
def retry_run(request: HttpRequest, run_id: int) -> Answer[Run]:
    """Queue a failed, cancelled or lost run again; it continues from its newest checkpoint."""
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
    wanted = traces.Filters(kind=kind or traces.ALL_KINDS, step=step, reason=reason or "")
    _, found = access.get_rollouts_or_404(_user(request), run_id)
    return _page(wanted.apply(found), "id", after, limit)


@api.get("/runs/{int:run_id}/alarms", response=Page[AlarmOut], tags=["what a run wrote"])
def alarms(request: HttpRequest, run_id: int, after: After = None, limit: Limit = 50) -> dict[str, Any]:
    """Why somebody should look at it, in the order in which that arose."""
    return _page(Alarm.objects.filter(run=_run(request, run_id)), "id", after, limit)


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


@api.get("/runs/{int:run_id}/splits", response=list[SplitOut], tags=["what a run wrote"])
def splits(request: HttpRequest, run_id: int) -> list[ScoredSplit]:
    """What a filter run found in each of its splits; empty for other runs."""
    return list(token_maps.splits_of(_run(request, run_id)).values())


@api.get("/runs/{int:run_id}/documents", response=Page[DocumentOut], tags=["what a run wrote"])
def documents(
    request: HttpRequest, run_id: int, split: Split = "train", after: After = None, limit: Limit = 50
) -> dict[str, Any]:
    """Documents that a filter run scored, in the order of the corpus."""
    start = 0 if after is None else after + 1
    lines = token_maps.lines(_run(request, run_id), split, start, limit + 1)
    return {"items": lines[:limit], "next": lines[limit - 1].row if len(lines) > limit else None}


def _plan(user: User, experiment: Experiment, suite: SuiteIn) -> Preset:
    """The runs of a body as a plan, a saved plan, or the preset that it or the experiment names."""
    if suite.plan is not None:
        with refusals_at("plan"):
            return own_plans.preset_of(access.get_plan_or_404(user, suite.plan))
    if suite.runs is not None:
        return plan_of(suite.runs)
    with refusals_at("preset"):
        return load_preset(suite.preset or experiment.preset)


def _priority(user: User, experiment: Experiment, name: str) -> Priority:
    priority = Priority[name.upper()]
    with refusals_at("priority"):
        places.refuse_high(priority, may_raise=access.can_administer(user, experiment.team_id))
    return priority


def _change(request: HttpRequest, run_id: int, act: Callable[[Run, User], None]) -> Answer[Run]:
    run = access.get_run_or_404(_user(request), run_id, to_change=True)
    with conflicts():
        act(run, _user(request))
    run.refresh_from_db()
    return Answer(202, run)


def _as_they_are(user: User, runs: Sequence[Run]) -> list[Run]:
    """The runs as the database has them now, in their order."""
    found = access.runs_for(user).in_bulk([run.pk for run in runs])
    return [found[run.pk] for run in runs]


def _run(request: HttpRequest, run_id: int) -> Run:
    return access.get_run_or_404(_user(request), run_id)


def _opened(urls: tuple[Any, ...]) -> tuple[Any, ...]:
    """The addresses without the middleware that would send a client to the login page: the API answers 401 itself."""
    for pattern in urls[0]:
        pattern.callback = login_not_required(wrong_method_in_json(repeatable(pattern.callback)))
    return urls


_PARTS = (
    *(comments, compare, corpora, library, plans, inbox, removal, machines, run_files, run_table),
    *(searches, positions, prompts, review, review_items, review_pairs, groups, exhibits, leaderboard, reports),
)
for _part in _PARTS:
    _part.add_operations(api)
answer_errors(api)
describe_refusals(api)
refuse_other_parameters(api)
urls = _opened(api.urls)
