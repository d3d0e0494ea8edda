"""Putting runs and experiments that have ended out of sight of the lists, and bringing them back.

Nothing else changes: an archived run keeps its results, which count as before, and can be read from. A retry brings it
back by itself.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from rpt_core.errors import UserError
from rpt_web.runs import deeds
from rpt_web.runs.models import FINAL, UNFINISHED, Deed, Experiment, Run
from rpt_web.teams.models import User

IN_SIGHT = Q(archived_at=None)
RUN_IN_SIGHT = Q(archived_at=None, experiment__archived_at=None)
"""A run is out of sight with its experiment, too."""


def archive(run: Run, user: User | None) -> None:
    """Put a run out of sight. Raises UserError for one that has not ended, or is archived."""
    ended = Run.objects.filter(pk=run.pk, status__in=FINAL, archived_at=None)
    if not _noted(ended, Deed.ARCHIVED, user, archived_at=Now()):
        run.refresh_from_db()
        if run.archived_at is not None:
            raise UserError(f"The run {run.name!r} is archived already.")
        raise UserError(f"The run {run.name!r} is {run.status}. Only runs that have ended can be archived.")


def bring_back(run: Run, user: User | None) -> None:
    """Show a run in the lists again. Raises UserError for one that is not archived."""
    if not _noted(Run.objects.filter(pk=run.pk, archived_at__isnull=False), Deed.BROUGHT_BACK, user, archived_at=None):
        raise UserError(f"The run {run.name!r} is not archived.")


def archive_experiment(experiment: Experiment) -> None:
    """Put an experiment with all its runs out of sight. Raises UserError while a run has not ended."""
    with transaction.atomic():
        now = Experiment.objects.select_for_update(no_key=True).get(pk=experiment.pk)
        unfinished = now.runs.filter(status__in=UNFINISHED).order_by("id").first()
        if unfinished is not None:
            raise UserError(
                f"Its run {unfinished.name!r} is {unfinished.status}. An experiment can be archived when all its runs "
                "have ended: wait, or cancel them."
            )
        if now.archived_at is not None:
            raise UserError(f"The experiment {now.name!r} is archived already.")
        Experiment.objects.filter(pk=now.pk).update(archived_at=Now())


def bring_back_experiment(experiment: Experiment) -> None:
    """Show an experiment in the lists again. Raises UserError for one that is not archived."""
    if not Experiment.objects.filter(pk=experiment.pk, archived_at__isnull=False).update(archived_at=None):
        raise UserError(f"The experiment {experiment.name!r} is not archived.")


def _noted(rows: QuerySet[Run], what: Deed, user: User | None, **values: object) -> bool:
    """Change the rows and note who did it; whether there was one."""
    with transaction.atomic():
        found = list(rows.select_for_update(no_key=True).only("pk"))
        Run.objects.filter(pk__in=[run.pk for run in found]).update(**values)
        deeds.note(found, what, user)
    return bool(found)
