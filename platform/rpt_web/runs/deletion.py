"""Deleting runs and experiments: refused while something unfinished needs them, done by a job.

    ask: refused in words, or the runs belong to the job: none is retried, nothing is submitted beside them any more
    job: the rows of a run go in one transaction --> its folder is set aside --> the disk is freed

Until the transaction everything is there, after it nothing is that anybody could name; a job that died in between is
done again, and ends the same way. Models registered from a run's checkpoints go with it, since their files do. Runs
that came from it keep their results. The audit trail keeps that it was, and who deleted it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F

from rpt_core.errors import UserError
from rpt_core.files import remove
from rpt_core.words import counted, listed
from rpt_web.jobs import services as jobs
from rpt_web.jobs.models import Job
from rpt_web.runs import hanging
from rpt_web.runs.models import UNFINISHED, Experiment, Run
from rpt_web.teams.models import User

DELETE = "delete_runs"
SET_ASIDE = ".deleted"
"""Ends the name of a run's folder once its rows are gone."""
RUNS_NAMED = 10


def ask(runs: Sequence[Run], user: User) -> Job:
    """Have runs deleted. Raises UserError when one of them may not be."""
    with transaction.atomic():
        return _submitted(_locked([run.pk for run in runs]), None, user)


def ask_experiment(experiment: Experiment, user: User, *, of: User | None) -> Job:
    """Have an experiment deleted with all its runs, which must all be `of` one user unless that is None.

    Raises UserError when that may not be.
    """
    with transaction.atomic():
        now = Experiment.objects.select_for_update(no_key=True, of=("self",)).select_related("deletion")
        found = now.filter(pk=experiment.pk).first()
        if found is None or found.is_being_deleted:
            raise UserError(f"The experiment {experiment.name!r} is being deleted already.")
        runs = _locked(found.runs.values_list("pk", flat=True))
        refuse_others(runs, of)
        job = _submitted(runs, found, user)
        Experiment.objects.filter(pk=found.pk).update(deletion=job)
    return job


def delete_run(job: Job, run_id: int) -> int:
    """Delete one run of a job; returns how many bytes that has freed. Raises UserError when something needs it now."""
    folder = _folder(run_id)
    with transaction.atomic():
        run = Run.objects.select_for_update(of=("self",)).filter(pk=run_id, deletion=job).first()
        if run is not None:
            refuse_needed([run])
            run.registered_models.all().delete()
            Experiment.objects.filter(pk=run.experiment_id).update(results_version=F("results_version") + 1)
            run.delete()
        elif Run.objects.filter(pk=run_id).exists():  # another job's by now
            return 0
    aside = folder.with_name(folder.name + SET_ASIDE)
    if folder.exists() and not aside.exists():
        folder.rename(aside)
    return remove(aside) + remove(folder)


def delete_rest(job: Job) -> int:
    """Delete the experiment when its runs are gone, and what died jobs have left; returns the bytes freed."""
    if (key := job.arguments["experiment"]) is not None:
        _forget_experiment(key, job)
    return sum(remove(left) for left in (settings.RPT_DATA_DIR / "runs").glob(f"*{SET_ASIDE}") if _is_gone(left))


def refuse_others(runs: Sequence[Run], of: User | None) -> None:
    """Raises UserError when somebody else has submitted one of the runs; None is allowed everybody's."""
    others = [] if of is None else [run for run in runs if run.created_by_id != of.pk]
    if others:
        raise UserError(
            f"It cannot be deleted by you: somebody else has submitted {counted(len(others), 'run')} of it. Ask an "
            "administrator of the team, who may delete it."
        )


def refuse_needed(runs: Sequence[Run]) -> None:
    """Raises UserError when one of the runs, or one that needs it, has not ended; runs of other teams are counted."""
    unfinished = [run for run in runs if run.status in UNFINISHED]
    if unfinished:
        raise UserError(
            f"It cannot be deleted: {_named(unfinished, unfinished[0].experiment.team_id)} "
            f"{'has' if len(unfinished) == 1 else 'have'} not ended. Wait, or cancel first."
        )
    if runs and (needing := hanging.unfinished_that_need(runs)):
        raise UserError(
            "It cannot be deleted: runs that have not ended need it: "
            f"{_named(needing, runs[0].experiment.team_id)}. Wait until they have ended, or cancel them."
        )


def _submitted(runs: Sequence[Run], experiment: Experiment | None, user: User) -> Job:
    for run in runs:
        if run.is_being_deleted:
            raise UserError(f"The run {run.name!r} is being deleted already.")
    refuse_needed(runs)
    keys = [run.pk for run in runs]
    job = jobs.submit(DELETE, {"runs": keys, "experiment": experiment and experiment.pk}, user)
    Run.objects.filter(pk__in=keys).update(deletion=job)
    return job


def _locked(keys: Iterable[int]) -> list[Run]:
    rows = Run.objects.filter(pk__in=keys).select_related("experiment", "deletion").order_by("id")
    return list(rows.select_for_update(of=("self",), no_key=True))


def _forget_experiment(key: int, job: Job) -> None:
    with transaction.atomic():
        found = Experiment.objects.select_for_update(of=("self",)).filter(pk=key, deletion=job).first()
        if found is not None and found.runs.exists():
            raise UserError("A run was submitted to it meanwhile. The experiment stays, with that run alone.")
        if found is not None:
            found.delete()


def _folder(run_id: int) -> Path:
    return Path(settings.RPT_DATA_DIR) / "runs" / str(run_id)


def _is_gone(aside: Path) -> bool:
    name = aside.name.removesuffix(SET_ASIDE)
    return name.isdecimal() and not Run.objects.filter(pk=int(name)).exists()


def _named(runs: Sequence[Run], team_id: int) -> str:
    own = [run for run in runs if run.experiment.team_id == team_id]
    told = [f"“{run.name}” of “{run.experiment.name}” ({run.status})" for run in own[:RUNS_NAMED]]
    more = [(len(own) - len(told), "more run"), (len(runs) - len(own), "run")]
    rest = [counted(number, noun) for number, noun in more if number]
    if len(runs) > len(own):
        rest[-1] += " of other teams"
    return listed([*told, *rest])
