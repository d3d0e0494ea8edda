"""Deleting one checkpoint by hand: what hangs on it is said before, and what something unfinished needs stays.

In: a checkpoint, who asks. Out: its row and its models go and its folder is set aside, in one transaction; a job frees
the disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F

from rpt_core.errors import UserError
from rpt_web.jobs import services as jobs
from rpt_web.jobs.models import Job
from rpt_web.runs import deeds, deletion, retention
from rpt_web.runs.models import Checkpoint, Deed, ParentRole, Run, RunParent
from rpt_web.teams.models import User

FREE = "free_checkpoints"


@dataclass(frozen=True)
class OnCheckpoint:
    """What would go with a checkpoint, and what would stay without it."""

    models: Sequence[str]
    """Names of the models that were registered from it."""
    starters: Sequence[int]
    """Ids of the runs that started from it."""
    before: int | None
    """Where it is the newest: the step of the one before, from which a retry would continue then."""
    is_newest: bool


def hanging_on(checkpoint: Checkpoint) -> OnCheckpoint:
    """What hangs on it (4 queries)."""
    run, step = checkpoint.run, checkpoint.step
    starters = RunParent.objects.filter(parent=run, role=ParentRole.START, step=step)
    others = run.checkpoints.order_by("-step").values_list("step", flat=True)
    return OnCheckpoint(
        models=list(run.registered_models.filter(step=step).order_by("name").values_list("name", flat=True)),
        starters=list(starters.order_by("run").values_list("run", flat=True)),
        before=others.filter(step__lt=step).first(),
        is_newest=not others.filter(step__gt=step).exists(),
    )


def why_not(run: Run) -> str:
    """Why no checkpoint of the run can be deleted now; empty when they can."""
    try:
        deletion.refuse_needed([run])
    except UserError as error:
        return str(error)
    return ""


def delete(run: Run, step: int, user: User) -> Job:
    """Delete it. Raises UserError when something unfinished needs the run, and when it is gone already."""
    with transaction.atomic():
        locked = Run.objects.select_for_update(no_key=True, of=("self",)).select_related("experiment").get(pk=run.pk)
        deletion.refuse_needed([locked])
        found = locked.checkpoints.filter(step=step).first()
        if found is None:
            raise UserError(f"The checkpoint of step {step:,} is gone already.")
        deeds.note([locked], Deed.TRIMMED, user)
        counted = F("removed_checkpoints") + 1
        Run.objects.filter(pk=locked.pk).update(removed_checkpoints=counted, measured_attempt=None)
        locked.registered_models.filter(step=step).delete()
        found.delete()
        retention.set_aside([locked.directory / found.path])
        return jobs.submit(FREE, {"run": locked.pk}, user)
