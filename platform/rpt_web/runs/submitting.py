"""New experiments and new runs: their rows are checked, stored all or none, and workers are woken.

In: configs and plans. Out: rows, queued or waiting; what becomes of them is `runs.services`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from django.db import IntegrityError, transaction

from rpt_core.config import StageConfig
from rpt_core.errors import UserError
from rpt_core.plans.preset import PlannedRun, Preset, missing
from rpt_web.runs import checks, nodes, parents, planning, queues, usage, waking
from rpt_web.runs.models import GPU_QUEUE, Experiment, Priority, Run, Status
from rpt_web.teams.membership import home_of
from rpt_web.teams.models import Team, User

DEFAULT_ATTEMPTS = 3


def create_experiment(
    name: str, user: User | None, *, team: Team | None = None, preset: str = "", seed: int = 0, description: str = ""
) -> Experiment:
    """A new, empty experiment of a team; without one, of the user's first, and a program's of the oldest.

    Raises UserError for a name or a description that cannot be shown or stored.
    """
    return Experiment.objects.create(
        team=team or home_of(user),
        name=checks.checked_name(name, "experiment", 200),
        created_by=user,
        preset=preset,
        seed=seed,
        description=checks.checked_description(description),
    )


def submit(
    experiment: Experiment,
    name: str,
    config: StageConfig,
    user: User | None,
    *,
    title: str = "",
    max_attempts: int = DEFAULT_ATTEMPTS,
    priority: Priority = Priority.NORMAL,
) -> Run:
    """Queue a run with its config frozen, and wake a worker on commit. Raises UserError when the name is taken."""
    run = planning.new_row(
        experiment, name, user, title=title, max_attempts=max_attempts, **planning.admitted(config, experiment.team_id)
    )
    _insert([run], priority)
    return run


def submit_planned(
    experiment: Experiment,
    planned: PlannedRun,
    user: User | None,
    *,
    origin: Run | None = None,
    priority: Priority = Priority.NORMAL,
) -> Run:
    """Submit one run of a preset; its references mean runs of this experiment, which must have succeeded.

    origin: the run that it is a clone of.
    """
    config = planning.resolve(planned, experiment.seed, planning.needed(experiment, planned))
    values = planning.as_planned(planned) | planning.admitted(config, experiment.team_id)
    run = planning.new_row(experiment, planned.name, user, title=planned.title, origin=origin, **values)
    _insert([run], priority)
    return run


def submit_sweep(
    experiment: Experiment,
    configs: Sequence[tuple[str, str, StageConfig]],
    user: User | None,
    origin: Run | None = None,
    *,
    priority: Priority = Priority.NORMAL,
) -> list[Run]:
    """Queue runs, each with its name, title and config: all or none. Raises UserError as `submit` does."""
    runs = [
        planning.new_row(
            experiment, name, user, title=title, origin=origin, **planning.admitted(config, experiment.team_id)
        )
        for name, title, config in configs
    ]
    _insert(runs, priority)
    return runs


def submit_suite(
    experiment: Experiment,
    preset: Preset,
    user: User | None,
    seeds: Sequence[int] | None = None,
    *,
    anyway: bool = False,
    priority: Priority = Priority.NORMAL,
) -> list[Run]:
    """Make a row for every run of a plan: those that need no other are queued, the others wait. All or none.

    `seeds` asks for a copy of the plan for each of them; None takes the preset's own, or else one copy with the
    experiment's seed. Raises UserError for a config that cannot be right, for a name that is taken, and for a preset
    that needs what is not here, unless it is to start `anyway` (because the workers run elsewhere).
    """
    if not anyway and (reasons := missing(preset)):
        raise UserError(f"The preset {preset.name!r} cannot run here. {' '.join(reasons)}")
    runs = [planning.suite_row(experiment, planned, user) for planned in planning.suite(preset, seeds).runs]
    if queues.needs_gpu(preset.requires):
        for run in runs:
            run.queue = GPU_QUEUE
    _insert(runs, priority)
    return runs


def refuse_taken_names(experiment: Experiment, preset: Preset, seeds: Sequence[int] | None) -> None:
    """Raises UserError when a run of the plan has a name that is taken, or when the seeds cannot be used."""
    names = [planned.name for planned in planning.suite(preset, seeds).runs]
    taken = experiment.runs.filter(name__in=names).values_list("name", flat=True).order_by("id").first()
    if taken is not None:
        raise UserError(checks.name_is_taken(taken))


def _insert(runs: Sequence[Run], priority: Priority) -> None:
    """Store new runs with a priority, all or none, and wake workers on commit.

    Raises UserError when a name is taken, and when the team has used up its quota.
    """
    for run in runs:
        run.priority = priority
    checks.refuse_closed(runs[0].experiment)
    usage.refuse_over_quota(runs[0].experiment.team_id)
    try:
        with transaction.atomic():
            nodes.remember_folder()
            Run.objects.bulk_create(runs)
            parents.record([run for run in runs if run.config])
            queued = [run.pk for run in runs if run.status == Status.QUEUED]
            transaction.on_commit(partial(waking.dispatch_all, queued))
    except IntegrityError as error:
        if "runs_runparent" in str(error):
            words = "A run that it reads from was deleted just now. Look at its config, and submit it again."
            raise UserError(words) from None
        if "run_name_once_per_experiment" not in str(error):
            raise
        names = {run.name for run in runs}
        taken = runs[0].experiment.runs.filter(name__in=names).values_list("name", flat=True).order_by("id").first()
        raise UserError(checks.name_is_taken(taken)) from None
