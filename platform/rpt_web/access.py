"""The only way for pages and the API to reach an object, so that there is one place to say who may see and change what.

Every active user sees every experiment; viewers change nothing. A member submits anywhere, and cancels and retries what
they have submitted themselves; an administrator (a superuser) cancels and retries all.
"""

from __future__ import annotations

from typing import TypeVar

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404

from rpt_web.jobs.models import Job
from rpt_web.runs.models import Experiment, Run
from rpt_web.teams.models import Role, User
from rpt_web.traces.models import Rollout

Actor = User | AnonymousUser
Row = TypeVar("Row", bound=Model)


def can_change(user: Actor) -> bool:
    """Whether the user may submit, cancel and retry."""
    return isinstance(user, User) and user.is_active and (user.is_superuser or user.role == Role.MEMBER)


def require_change(user: Actor) -> None:
    """Raises PermissionDenied unless the user may change things."""
    if not can_change(user):
        raise PermissionDenied("Viewers cannot change anything. Ask an administrator to make you a member.")


def can_steer(user: Actor, run: Run) -> bool:
    """Whether the user may cancel and retry this run."""
    return can_change(user) and (user.is_superuser or run.created_by_id == user.pk)


def steered_by(user: User) -> User | None:
    """Whose runs the user may cancel and retry; None for everybody's."""
    return None if user.is_superuser else user


def experiments_for(user: Actor) -> QuerySet[Experiment]:
    """Experiments the user may see."""
    return Experiment.objects.all() if user.is_active else Experiment.objects.none()


def runs_for(user: Actor) -> QuerySet[Run]:
    """Runs the user may see, each with its experiment."""
    return Run.objects.filter(experiment__in=experiments_for(user)).select_related("experiment", "created_by")


def rollouts_for(user: Actor, run: Run) -> QuerySet[Rollout]:
    """Rollouts of one run; always of one run, so that only its partition is read."""
    return (
        Rollout.objects.filter(run_id=run.pk) if runs_for(user).filter(pk=run.pk).exists() else Rollout.objects.none()
    )


def jobs_for(user: Actor) -> QuerySet[Job]:
    """Jobs of the quick lane that the user may see and cancel: their own; an administrator, all."""
    if not isinstance(user, User) or not user.is_active:
        return Job.objects.none()
    return Job.objects.all() if user.is_superuser else Job.objects.filter(created_by=user)


def get_job_or_404(user: Actor, job_id: int) -> Job:
    """A job that the user may see and cancel. Raises Http404."""
    return _found(jobs_for(user).filter(pk=job_id), "job", job_id)


def get_experiment_or_404(user: Actor, experiment_id: int, *, to_change: bool = False) -> Experiment:
    """An experiment the user may see. Raises Http404, or PermissionDenied when it is to be changed and may not be."""
    experiment = _found(experiments_for(user).filter(pk=experiment_id), "experiment", experiment_id)
    if to_change:
        require_change(user)
    return experiment


def get_run_or_404(user: Actor, run_id: int, *, to_change: bool = False) -> Run:
    """A run the user may see. Raises Http404, or PermissionDenied when it is to be changed and may not be."""
    run = _found(runs_for(user).filter(pk=run_id), "run", run_id)
    if to_change:
        require_change(user)
        if not can_steer(user, run):
            raise PermissionDenied(
                f"Members can cancel and retry only their own runs, and {run.name!r} was submitted by "
                f"{run.created_by or 'a program'}. Ask them or an administrator."
            )
    return run


def get_rollouts_or_404(user: Actor, run_id: int) -> tuple[Run, QuerySet[Rollout]]:
    """A run that the user may see and its rollouts, by one look at who may. Raises Http404."""
    run = get_run_or_404(user, run_id)
    return run, Rollout.objects.filter(run_id=run.pk)


def get_rollout_or_404(user: Actor, run_id: int, rollout_id: int) -> tuple[Run, Rollout]:
    """One rollout with its run. Raises Http404."""
    run = get_run_or_404(user, run_id)
    return run, _found(Rollout.objects.filter(run_id=run.pk, id=rollout_id), "rollout", rollout_id)


def _found(rows: QuerySet[Row], noun: str, key: int) -> Row:
    found = rows.first()
    if found is None:
        raise Http404(f"There is no {noun} {key} among those that you may see. The list of {noun}s shows them.")
    return found
