"""What changes registered models: one is registered, checked, renamed, removed. Its files are never touched.

In: a folder below the roots that an administrator allows, a checkpoint, or a name on a hub. Out: a row, and a job of
the quick lane that looks at the model; what it finds is stored here, and only by the model's newest job.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from rpt_core.config.reads import Reading, Reads
from rpt_core.errors import UserError
from rpt_web.corpora.models import ModelSource, RegisteredModel
from rpt_web.jobs import services as jobs
from rpt_web.jobs.models import Job
from rpt_web.runs import checks, reach
from rpt_web.runs.models import Checkpoint, ParentRole, Run
from rpt_web.teams.models import Team, User
from rpt_web.text import clean_json

CHECK = "check_model"
LONGEST_NAME, LONGEST_PATH = 200, 1000


def register(team: Team, path: str, name: str, user: User) -> RegisteredModel:
    """A model by its folder or its name on a hub. Raises UserError for one that may not be read, or is there."""
    path = path.strip()
    if len(path) > LONGEST_PATH:
        raise UserError(f"The path is too long: it has {len(path):,} characters, and {LONGEST_PATH:,} are allowed.")
    if words := reach.why_not(Reading("path", path, Reads.MODEL), [team.pk]):
        raise UserError(words)
    is_folder = os.path.isdir(settings.ROOT / path)
    source = ModelSource.FOLDER if is_folder or path.startswith(("/", ".")) else ModelSource.HUB
    return _made(team, name or path.rstrip("/").rpartition("/")[2], user, source=source, path=path)


def register_checkpoint(checkpoint: Checkpoint, name: str, user: User) -> RegisteredModel:
    """A run's checkpoint, for the run's team. Raises UserError when it is registered already."""
    run = checkpoint.run
    usual = f"{run.name}, step {checkpoint.step}"
    place = {"path": str(run.directory / checkpoint.path), "run": run, "step": checkpoint.step}
    return _made(run.experiment.team, name or usual, user, source=ModelSource.CHECKPOINT, **place)


def check(model: RegisteredModel, user: User) -> Job:
    """Have a worker look at the model. Raises UserError while one does."""
    with transaction.atomic():
        fresh = RegisteredModel.objects.select_for_update(no_key=True, of=("self",)).get(pk=model.pk)
        if fresh.job is not None and not fresh.job.has_ended:
            raise UserError("It is being checked already. Wait until that has ended, or cancel it.")
        job = jobs.submit(CHECK, {"model": fresh.pk}, user)
        RegisteredModel.objects.filter(pk=fresh.pk).update(job=job)
    model.job = job
    return job


def store_card(model_id: int, job: Job, card: Mapping[str, Any]) -> bool:
    """What a check has found; False when another one has begun since."""
    found = clean_json({name: card[name] for name in ("facts", "faults", "loads")})
    return bool(RegisteredModel.objects.filter(pk=model_id, job=job).update(checked_at=Now(), **found))


def runs_that_start_from(model: RegisteredModel, visible: QuerySet[Run]) -> QuerySet[Run]:
    """Runs whose start is this model, newest first."""
    start = Q(parents__path=model.path)
    if model.run_id is not None:
        start |= Q(parents__parent=model.run_id, parents__step=model.step)
    return visible.filter(start, parents__role=ParentRole.START).distinct().order_by("-id")


def _made(team: Team, name: str, user: User, **values: Any) -> RegisteredModel:
    name = checks.checked_name(name, "model", LONGEST_NAME)
    with transaction.atomic():
        model, is_new = RegisteredModel.objects.get_or_create(
            team=team, path=values.pop("path"), defaults={"name": name, "created_by": user, **values}
        )
    if not is_new:
        raise UserError(f"This model is registered already, as “{model.name}”.")
    check(model, user)
    return model
