"""A team's rule for old checkpoints: what would be removed, and its removal. Nothing is removed before it was listed.

The rule: of runs that ended more than so many days ago, all checkpoints but the last. Left alone are those that are
registered as a model or that a run has started from, and every run that something still needs: whose experiment has a
run that has not finished, or that such a run elsewhere reads from.

In: a team, days, what was listed. Out: for each run the folders are set aside and their rows go in one transaction,
then the disk is freed; a worker that dies in between does the same again. The run's page, and the audit trail, say who.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Now

from rpt_core.errors import UserError
from rpt_core.files import remove
from rpt_core.run.folder import RunDir
from rpt_web.jobs import services as jobs
from rpt_web.jobs.models import Job
from rpt_web.runs import deeds
from rpt_web.runs.models import FINAL, UNFINISHED, Checkpoint, Deed, Run, RunParent
from rpt_web.teams.models import Team, User

REMOVE = "remove_old_checkpoints"
LONGEST_DAYS = 3650
SET_ASIDE = ".removed"
"""Ends the name of a checkpoint's folder once it counts no more."""


def set_rule(team: Team, days: int | None) -> None:
    """Change the rule of a team; None is no rule. Raises UserError for a number that cannot be."""
    if days is not None and not 1 <= days <= LONGEST_DAYS:
        raise UserError(f"Give 1 to {LONGEST_DAYS:,} days, or nothing for no rule.")
    team.keep_checkpoints_days = days
    team.save(update_fields=["keep_checkpoints_days"])


def removable(team: Team) -> QuerySet[Checkpoint]:
    """What the team's rule would remove now, by run and step; nothing without a rule."""
    days = team.keep_checkpoints_days
    rows = Checkpoint.objects.select_related("run__experiment").order_by("run", "step")
    if days is None:
        return rows.none()
    last = Checkpoint.objects.filter(run=OuterRef("run")).order_by("-step").values("step")[:1]
    unfinished = Run.objects.filter(status__in=UNFINISHED)
    readers = RunParent.objects.filter(parent=OuterRef("run"))
    return rows.filter(
        ~Exists(unfinished.filter(experiment=OuterRef("run__experiment"))),
        ~Exists(readers.filter(run__status__in=UNFINISHED)),
        ~Exists(readers.filter(step=OuterRef("step"))),
        ~Exists(Run.objects.filter(pk=OuterRef("run"), registered_models__step=OuterRef("step"))),
        run__experiment__team=team,
        run__status__in=FINAL,
        run__finished_at__lt=Now() - timedelta(days=days),
        step__lt=Subquery(last),
    )


def ask(team: Team, user: User) -> Job:
    """Have a worker remove what the rule would remove now. Raises UserError for nothing."""
    listed = _by_run(removable(team))
    if not listed:
        raise UserError("There is nothing to remove: no checkpoint is old enough, or a run still needs it.")
    return jobs.submit(REMOVE, {"team": team.pk, "steps": {str(run): steps for run, steps in listed.items()}}, user)


def remove_now(team: Team, by: User | None) -> int:
    """The same at once, for a command; returns the bytes that this has freed."""
    return sum(remove_of_run(team, run, steps, by) for run, steps in _by_run(removable(team)).items())


def remove_of_run(team: Team, run_id: int, steps: Sequence[int], by: User | None) -> int:
    """Remove listed checkpoints of a run as far as the rule would still; returns the bytes that this has freed."""
    with transaction.atomic():
        run = Run.objects.select_for_update(no_key=True).filter(pk=run_id).first()
        if run is None:
            return 0
        going = list(removable(team).filter(run=run, step__in=steps))
        if going:
            deeds.note([run], Deed.TRIMMED, by)
            counted = F("removed_checkpoints") + len(going)
            Run.objects.filter(pk=run.pk).update(removed_checkpoints=counted, measured_attempt=None)
            Checkpoint.objects.filter(pk__in=[found.pk for found in going]).delete()
            set_aside([run.directory / found.path for found in going])
    return free(run)


def free(run: Run) -> int:
    """Free the disk of what was set aside of a run; returns the bytes."""
    return sum(map(remove, RunDir(run.directory).checkpoints.glob(f"*{SET_ASIDE}")))


def set_aside(folders: Iterable[Path]) -> None:
    """All or none, so that rows and folders stay the same."""
    done: list[Path] = []
    try:
        for folder in filter(Path.exists, folders):
            folder.rename(folder.with_name(folder.name + SET_ASIDE))
            done.append(folder)
    except OSError:
        for folder in done:
            folder.with_name(folder.name + SET_ASIDE).rename(folder)
        raise


def _by_run(rows: QuerySet[Checkpoint]) -> Mapping[int, list[int]]:
    found: dict[int, list[int]] = {}
    for run, step in rows.values_list("run", "step"):
        found.setdefault(run, []).append(step)
    return found
