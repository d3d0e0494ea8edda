"""Models and wordings by the API: lists, a new one, a model's check, a wording's versions.

Operations here are registered by `add_operations`, so that they stand in the one document of the API.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from django.http import Http404, HttpRequest
from ninja import NinjaAPI
from ninja import Status as Answer
from pydantic import Field, model_validator

from rpt_web import access
from rpt_web.api.bodies import Body
from rpt_web.api.corpora import JobOut
from rpt_web.api.errors import conflicts, refusals_at
from rpt_web.api.paging import After, Limit, page_of, user_of
from rpt_web.api.plain import PlainSchema
from rpt_web.api.schemas import OfTeam, Page, Refused
from rpt_web.corpora import registry, wordings
from rpt_web.corpora.models import RegisteredModel, Wording, WordingKind, WordingVersion
from rpt_web.jobs.models import Job
from rpt_web.teams.membership import home_of
from rpt_web.teams.models import Team, User

TEAM = "Id of the team it belongs to; empty takes the first where the token's user may change things."


class ModelOut(OfTeam):
    """A registered model."""

    id: int
    name: str
    source: str = Field(description="folder, checkpoint or hub.")
    path: str = Field(description="What a run names in `model.path`.")
    run_id: int | None = Field(description="Whose checkpoint it is.")
    step: int | None
    created_at: datetime
    checked_at: datetime | None = Field(description="Null until a worker has checked the model.")
    is_fit: bool | None = Field(description="Whether runs can use it; null until it was checked.")
    faults: list[dict[str, Any]] = Field(description="level and message of what speaks against it.")
    facts: dict[str, Any] = Field(description="What its files say.")
    job_id: int | None = Field(description="The newest check of it.")


class ModelIn(Body):
    """A model to be registered: a folder or a name on a hub, or else a checkpoint of a run."""

    path: str = Field(default="", description="A folder on the server, or a name on a hub.")
    run: int | None = Field(
        default=None, ge=1, lt=2**63, description="Id of the run whose checkpoint it is, with `step`."
    )
    step: int | None = Field(default=None, ge=0, lt=2**31)
    name: str = Field(default="", description="Empty takes the folder's name, or the run's with the step.")
    team: int | None = Field(
        default=None, ge=1, lt=2**63, description=f"{TEAM} A checkpoint belongs to its run's team."
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        """A path, or a run with a step."""
        of_run = self.run is not None and self.step is not None
        if bool(self.path.strip()) == of_run or (self.run is None) != (self.step is None):
            raise ValueError("Give either `path`, or `run` and `step`.")
        if of_run and self.team is not None:
            raise ValueError("A checkpoint belongs to its run's team. Leave `team` out.")
        return self


class WordingOut(OfTeam):
    """A prompt template or a pattern list."""

    id: int
    kind: str = Field(description="template or patterns.")
    name: str
    created_at: datetime


class WordingVersionOut(PlainSchema):
    """A text that never changes."""

    id: int
    wording_id: int
    number: int
    path: str = Field(description="What a run names in `prompt.template` or `keywords`.")
    text: str
    created_at: datetime

    @staticmethod
    def resolve_path(version: WordingVersion) -> str:
        """Its file."""
        return str(version.path)


class WordingVersionIn(Body):
    """The text of a new version."""

    text: str


class WordingIn(WordingVersionIn):
    """A new wording with its first version."""

    kind: WordingKind
    name: str = Field(description="Letters, digits, - and _.")
    team: int | None = Field(default=None, ge=1, lt=2**63, description=TEAM)


def add_operations(api: NinjaAPI) -> None:
    """Register what is below."""
    tags = ["models"]
    api.get("/models", response=Page[ModelOut], tags=tags)(models)
    api.post("/models", response={201: ModelOut}, tags=tags)(register_model)
    api.get("/models/{int:model_id}", response=ModelOut, tags=tags)(model_detail)
    api.post("/models/{int:model_id}/check", response={202: JobOut, 409: Refused}, tags=tags)(check_model)
    tags = ["wordings"]
    api.get("/wordings", response=Page[WordingOut], tags=tags)(list_wordings)
    api.post("/wordings", response={201: WordingVersionOut}, tags=tags)(create_wording)
    api.get("/wordings/{int:wording_id}", response=WordingOut, tags=tags)(wording_detail)
    api.get("/wordings/{int:wording_id}/versions", response=Page[WordingVersionOut], tags=tags)(wording_versions)
    api.post("/wordings/{int:wording_id}/versions", response={201: WordingVersionOut}, tags=tags)(save_wording)


def models(request: HttpRequest, after: After = None, limit: Limit = 50) -> dict[str, Any]:
    """Registered models, newest first."""
    return page_of(access.models_for(user_of(request)), "-id", after, limit)


def register_model(request: HttpRequest, model: ModelIn) -> Answer[RegisteredModel]:
    """Register a model and have a worker look at it; look at the job."""
    user = user_of(request)
    access.require_change_somewhere(user)
    if model.run is not None:
        return Answer(201, _checkpoint(user, model.run, model.step or 0, model.name))
    team = _team(user, model.team)
    with refusals_at("path"):
        return Answer(201, registry.register(team, model.path, model.name, user))


def model_detail(request: HttpRequest, model_id: int) -> RegisteredModel:
    """One model."""
    return access.get_model_or_404(user_of(request), model_id)


def check_model(request: HttpRequest, model_id: int) -> Answer[Job]:
    """Have a worker look at a model again; look at the job."""
    user = user_of(request)
    model = access.get_model_or_404(user, model_id, to_change=True)
    with conflicts():
        return Answer(202, registry.check(model, user))


def list_wordings(
    request: HttpRequest, after: After = None, limit: Limit = 50, kind: WordingKind | None = None
) -> dict[str, Any]:
    """Prompt templates and pattern lists of the user's teams, newest first."""
    found = access.wordings_for(user_of(request))
    return page_of(found if kind is None else found.filter(kind=kind), "-id", after, limit)


def create_wording(request: HttpRequest, wording: WordingIn) -> Answer[WordingVersion]:
    """Save the first version of a text under a new name."""
    user = user_of(request)
    access.require_change_somewhere(user)
    return Answer(201, wordings.create(_team(user, wording.team), wording.kind, wording.name, wording.text, user))


def wording_detail(request: HttpRequest, wording_id: int) -> Wording:
    """One template or list."""
    return access.get_wording_or_404(user_of(request), wording_id)


def wording_versions(request: HttpRequest, wording_id: int, after: After = None, limit: Limit = 50) -> dict[str, Any]:
    """Versions of a template or a list with their texts, newest first."""
    wording = access.get_wording_or_404(user_of(request), wording_id)
    return page_of(wording.versions.select_related("wording"), "-number", after, limit)


def save_wording(request: HttpRequest, wording_id: int, version: WordingVersionIn) -> Answer[WordingVersion]:
    """Save the next version. Runs that name an older one keep it."""
    user = user_of(request)
    wording = access.get_wording_or_404(user, wording_id, to_change=True)
    with refusals_at("text"):
        return Answer(201, wordings.save(wording, version.text, user))


def _team(user: User, asked: int | None) -> Team:
    with refusals_at("team"):
        return home_of(user) if asked is None else access.get_team_or_404(user, asked, to_change=True)


def _checkpoint(user: User, run_id: int, step: int, name: str) -> RegisteredModel:
    with refusals_at("run"):
        run = access.get_run_or_404(user, run_id)
    access.require_change(user, run.experiment.team_id)
    with refusals_at("step"):
        checkpoint = run.checkpoints.filter(step=step).first()
        if checkpoint is None:
            raise Http404(f"“{run.name}” has no checkpoint of step {step}.")
        return registry.register_checkpoint(checkpoint, name, user)
