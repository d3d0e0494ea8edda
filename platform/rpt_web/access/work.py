"""Experiments, runs, their responses, plans and jobs: who sees and who steers them."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Q, QuerySet

from rpt_web.access.roles import (
    Actor,
    can_administer,
    found_or_404,
    refusal,
    require_change,
    role_in,
    roles_of,
    seen,
    teams_to_change,
)
from rpt_web.jobs.models import Job
from rpt_web.runs.models import Experiment, OwnPlan, Run
from rpt_web.teams.models import (
    Role,
    User,
)
from rpt_web.traces.models import Rollout

OF_JOBS = "Only who has started a job sees it, and it is forgotten some weeks after its end."


def can_steer(user: Actor, thing: Run | Experiment) -> bool:
    """Whether the user may cancel, retry, archive and delete this run, or archive this experiment."""
    role = role_in(user, thing.experiment.team_id if isinstance(thing, Run) else thing.team_id)
    return role == Role.ADMINISTRATOR or (role == Role.MEMBER and thing.created_by_id == user.pk)


def runs_to_steer(user: Actor) -> QuerySet[Run]:
    """The runs that the user may cancel, retry, archive, delete and move in the queue."""
    if isinstance(user, User) and user.is_superuser and user.is_active:
        return Run.objects.all()
    roles = roles_of(user)
    headed = [team for team, role in roles.items() if role == Role.ADMINISTRATOR]
    own = Q(experiment__team__in=[team for team, role in roles.items() if role == Role.MEMBER], created_by=user.pk)
    return Run.objects.filter(Q(experiment__team__in=headed) | own)


def runs_to_tag(user: Actor) -> QuerySet[Run]:
    """The runs that the user may tag: all of the teams where they may change things."""
    return runs_for(user).filter(experiment__team__in=teams_to_change(user))


def split_by_steering(user: Actor, keys: Collection[int]) -> tuple[list[Run], list[Run]]:
    """Of some runs by their keys those that the user may steer, and those that they only see; oldest first."""
    seen = runs_for(user).filter(pk__in=keys).select_related("deletion").order_by("id")
    own = set(runs_to_steer(user).filter(pk__in=keys).values_list("pk", flat=True))
    return [run for run in seen if run.pk in own], [run for run in seen if run.pk not in own]


def steered_by(user: User, experiment: Experiment) -> User | None:
    """Whose runs of the experiment the user may cancel and retry; None for everybody's."""
    return None if can_administer(user, experiment.team_id) else user


def experiments_for(user: Actor) -> QuerySet[Experiment]:
    """Experiments the user may see."""
    if isinstance(user, User) and user.is_superuser and user.is_active:
        return Experiment.objects.select_related("team")
    return Experiment.objects.select_related("team").filter(seen(user, "experiment"))


def experiments_to_change(user: Actor) -> QuerySet[Experiment]:
    """Experiments the user may submit to."""
    return experiments_for(user).filter(team__in=teams_to_change(user), archived_at=None)


def get_experiment_or_404(user: Actor, pk: int, *, to_change: bool = False, to_steer: bool = False) -> Experiment:
    """An experiment the user may see. Raises Http404, or PermissionDenied for who may not change it, or steer it."""
    experiment = found_or_404(experiments_for(user).filter(pk=pk), "experiment", pk)
    if to_change or to_steer:
        require_change(user, experiment.team_id)
    if to_steer:
        _require_own(user, experiment, "Members archive and delete only their own experiments, and {} was made by {}.")
    return experiment


def runs_for(user: Actor) -> QuerySet[Run]:
    """Runs the user may see, each with its experiment."""
    return Run.objects.filter(seen(user, "experiment", "experiment__")).select_related("experiment", "created_by")


def those_who_see(run_id: int, user_ids: Collection[int]) -> set[int]:
    """Those of the users, by their ids, who may see a run (1 query)."""
    of_team = Q(memberships__team__experiments__runs=run_id)
    of_share = Q(memberships__team__received__experiment__runs=run_id)
    people = User.objects.filter(of_team | of_share | Q(is_superuser=True), is_active=True, pk__in=user_ids)
    return set(people.values_list("pk", flat=True))


def get_run_or_404(user: Actor, run_id: int, *, to_change: bool = False) -> Run:
    """A run the user may see. Raises Http404, or PermissionDenied when it is to be changed and may not be."""
    run = found_or_404(runs_for(user).filter(pk=run_id), "run", run_id)
    if to_change:
        require_change(user, run.experiment.team_id)
        _require_own(user, run, "Members can cancel, retry and delete only their own runs, and {} was submitted by {}.")
    return run


def rollouts_for(user: Actor, run: Run) -> QuerySet[Rollout]:
    """Rollouts of one run; always of one run, so that only its partition is read."""
    rows = Rollout.objects.filter(run_id=run.pk)
    return rows if runs_for(user).filter(pk=run.pk).exists() else rows.none()


def get_rollouts_or_404(user: Actor, run_id: int) -> tuple[Run, QuerySet[Rollout]]:
    """A run that the user may see and its rollouts, by one look at who may. Raises Http404."""
    run = get_run_or_404(user, run_id)
    return run, Rollout.objects.filter(run_id=run.pk)


def get_rollout_or_404(user: Actor, run_id: int, rollout_id: int) -> tuple[Run, Rollout]:
    """One rollout with its run. Raises Http404."""
    run = get_run_or_404(user, run_id)
    return run, found_or_404(Rollout.objects.filter(run_id=run.pk, id=rollout_id), "rollout", rollout_id)


def plans_for(user: Actor) -> QuerySet[OwnPlan]:
    """Plans of the user's teams, and those that others share with them, by name."""
    return OwnPlan.objects.filter(seen(user, "plan")).select_related("created_by", "team").order_by("name", "id")


def get_plan_or_404(user: Actor, plan_id: int, *, to_change: bool = False) -> OwnPlan:
    """One that the user may see. Raises Http404, or PermissionDenied when it is to be changed and may not be."""
    plan = found_or_404(plans_for(user).filter(pk=plan_id), "plan", plan_id)
    if to_change:
        require_change(user, plan.team_id)
    return plan


def jobs_for(user: Actor) -> QuerySet[Job]:
    """Jobs of the quick lane that the user may see and cancel: their own; an administrator, all."""
    if not isinstance(user, User) or not user.is_active:
        return Job.objects.none()
    return Job.objects.all() if user.is_superuser else Job.objects.filter(created_by=user)


def get_job_or_404(user: Actor, job_id: int) -> Job:
    """A job that the user may see and cancel. Raises Http404."""
    return found_or_404(jobs_for(user).filter(pk=job_id), "job", job_id, OF_JOBS)


def _require_own(user: Actor, thing: Run | Experiment, words: str) -> None:
    if not can_steer(user, thing):
        told = words.format(repr(thing.name), thing.created_by or "a program")
        raise refusal(user, f"{told} Ask them or an administrator.")
