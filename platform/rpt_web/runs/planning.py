"""How a plan becomes rows: which runs may start, which must wait, and what a waiting one's references stand for.

In: planned runs and the runs that an experiment has. Out: rows that are not stored yet, configs, querysets. Nothing
here stores anything or changes a status; `runs.services` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, ExpressionWrapper, F, OuterRef, QuerySet

from rpt_core.config import StageConfig
from rpt_core.errors import UserError
from rpt_core.plans.preset import Lookup, PlannedRun, Preset, expand, placeholder
from rpt_core.run.copies import split_name
from rpt_core.run.folder import RunDir
from rpt_core.run.products import product
from rpt_web.runs import checks, reach
from rpt_web.runs.models import Experiment, Run, Status
from rpt_web.runs.queues import gpus_for, queue_for
from rpt_web.runs.versions import code_version
from rpt_web.teams.models import User

MOST_RUNS = 5000
"""Of a suite."""
Refusals = dict[tuple[str, str], str]
"""(run name, WHAT) of each reference that cannot be resolved -> why, and what is allowed."""


def artifact(run: Run, what: str) -> str | float:
    """What a later run takes of this one, see `rpt_core.run.products`. Raises UserError when there is no such thing."""
    if run.status != Status.SUCCEEDED:
        raise UserError(f"The run {run.name!r} has not succeeded; it is {run.status}. Wait for it or retry it first.")
    try:
        return product(RunDir(run.directory), what)
    except UserError as error:
        raise UserError(f"Run {run.name!r}: {error}") from None


def resolve(planned: PlannedRun, seed: int, by_name: Mapping[str, Run]) -> StageConfig:
    """The config of a planned run from what the runs that it needs have made. Raises UserError, ValidationError."""
    return planned.resolve(seed, lookup(planned, by_name))


def lookup(planned: PlannedRun, by_name: Mapping[str, Run]) -> Lookup:
    """What a planned run's references stand for. Calling it raises UserError for what is not there."""

    def found(name: str, what: str) -> str | float:
        if name not in by_name:
            raise UserError(f"{planned.name!r} needs the run {name!r} of this experiment. Run that one first.")
        return artifact(by_name[name], what)

    return found


def needed(experiment: Experiment, planned: PlannedRun) -> dict[str, Run]:
    """The runs of the experiment that a planned run refers to, by name (1 query)."""
    return {run.name: run for run in experiment.runs.filter(name__in=planned.needs())}


def tentative_values(planned: PlannedRun, experiment: Experiment) -> tuple[dict[str, Any], Refusals]:
    """A planned run's config in an experiment, not validated, and why references left in it cannot be resolved."""
    by_name = needed(experiment, planned)
    find, refusals = lookup(planned, by_name), {}

    def found(name: str, what: str) -> str | float:
        try:
            return find(name, what)
        except UserError as error:
            refusals[name, what] = str(error) if name in by_name else _no_such_run(experiment, name)
            return _stand_in(name, what)

    return planned.values(experiment.seed, found), refusals


def _stand_in(name: str, what: str) -> str | float:
    try:
        return placeholder(name, what)
    except UserError:  # no run makes such a thing, which is told already
        return f"@{name}/{what}"


def _no_such_run(experiment: Experiment, name: str) -> str:
    there = experiment.runs.filter(status=Status.SUCCEEDED).order_by("id").values_list("name", flat=True)[:20]
    names = ", ".join(there) or "none yet"
    return f"This experiment has no run {name!r}. Refer to one that has succeeded ({names}), or give the value itself."


def resolve_waiting(run: Run, by_name: Mapping[str, Run]) -> StageConfig:
    """The same for a waiting run, from the plan in its row."""
    values = {"name": run.name, "stage": run.stage, "title": run.title, "config": run.plan, "seed": run.seed}
    return resolve(PlannedRun.model_validate(values), run.seed, by_name)


def suite(preset: Preset, seeds: Sequence[int] | None) -> Preset:
    """The plan with a copy for each seed that is asked for, or else for each of its own; as it is without either.

    Raises UserError for seeds that cannot be used, and for more runs than a suite may have.
    """
    wanted = preset.seeds if seeds is None else seeds
    if (count := len(preset.runs) * len(wanted or (0,))) > MOST_RUNS:
        raise UserError(f"The seeds make {count:,} runs, and a suite has at most {MOST_RUNS:,}. Give fewer seeds.")
    return preset if wanted is None else expand(preset, wanted)


def suite_row(experiment: Experiment, planned: PlannedRun, user: User | None) -> Run:
    """A row of a suite: queued with its config when it needs no other run, else waiting with none.

    Raises UserError when its config cannot be right whatever the runs before it make.
    """
    seed = experiment.seed if planned.seed is None else planned.seed
    config = checks.rehearsed(planned, seed)
    with checks.refusals_of_run(planned.name):
        reach.require(config, is_plan=True, teams=[experiment.team_id])
        checks.refuse_unfit_headings(config)
    if config.seed != seed:  # the row shows the config's, for which `resolve_waiting` would then take each `@seed`
        planned = _seeded(planned, seed)
    values = as_planned(planned) | frozen(config)
    if planned.needs():
        values |= {"status": Status.WAITING, "config": {}}
    return new_row(experiment, planned.name, user, title=planned.title, **values)


def _seeded(planned: PlannedRun, seed: int) -> PlannedRun:
    """The planned run with the number for each `@seed`; its references to runs stay."""
    return planned.model_copy(update={"config": planned.values(seed, lambda name, what: f"@{name}/{what}")})


def new_row(experiment: Experiment, name: str, user: User | None, *, title: str, **values: Any) -> Run:
    """A run that is not stored yet. Raises UserError for a name or text that cannot be stored."""
    checks.refuse_unstorable([values.get("config"), values.get("plan")])
    return Run(
        experiment=experiment,
        name=checks.checked_run_name(name),
        copy_seed=split_name(name)[0],
        title=checks.checked_title(title),
        code_version=code_version(),
        created_by=user,
        queue=queue_for(values.get("config") or values.get("plan") or {}, experiment.preset),
        **values,
    )


def admitted(config: StageConfig, team_id: int) -> dict[str, Any]:
    """The fields of a row that a config decides. Raises UserError for what the team's runs may not read, and tables
    not show."""
    reach.require(config, teams=[team_id])
    checks.refuse_unfit_headings(config)
    return frozen(config)


def frozen(config: StageConfig) -> dict[str, Any]:
    """The same of a config that was looked at."""
    values = config.model_dump(mode="json")
    return {"stage": config.stage, "config": values, "seed": config.seed, "gpus": gpus_for(values)}


def as_planned(planned: PlannedRun) -> dict[str, Any]:
    """The fields of a row that remember the plan."""
    return {"plan": planned.config, "needs": sorted(planned.needs())}


def ready_runs() -> QuerySet[Run]:
    """Waiting runs that need no run that has not succeeded."""
    names: ArrayField[Any, Any] = ArrayField(models.CharField(max_length=100))
    asked = Run.objects.alias(asked=ExpressionWrapper(OuterRef("needs"), output_field=names))
    needed = asked.filter(experiment=OuterRef("experiment"), **{"asked__contains": [F("name")]})
    return Run.objects.filter(~Exists(needed.exclude(status=Status.SUCCEEDED)), status=Status.WAITING)


def experiments_to_advance() -> list[int]:
    """Ids of the experiments with a waiting run whose needs have all succeeded."""
    return list(ready_runs().order_by("experiment").values_list("experiment", flat=True).distinct())
