"""Plans that a team has saved: read from what somebody has typed, written as YAML, made of a preset or an experiment.

In: YAML of the form of a preset. Out: a `Preset` that can be submitted, or a UserError that names what is wrong in it.
An own plan requires no files: whether there is something at a path is nobody's business who may not read it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml
from django.db import transaction
from pydantic import ValidationError

from rpt_core.config import STAGES
from rpt_core.config.messages import in_lines, with_given
from rpt_core.config.reading import TOO_DEEP, refuse_too_deep
from rpt_core.errors import UserError
from rpt_core.plans.preset import PlannedRun, Preset
from rpt_core.run.copies import copy_prefix
from rpt_core.typed_yaml import read_typed
from rpt_web.runs import checks
from rpt_web.runs.models import Experiment, OwnPlan, Run
from rpt_web.teams.models import Team, User

LONGEST_TEXT = 200_000
MOST_RUNS = 200
MOST_VERSIONS = 50
OF_RESULTS = ("time", "findings", "caution", "is_twin")
"""What a preset says of the results that it had; a copy that is changed has others."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,79}")


class PlanHasChanged(UserError):
    """Somebody else was faster."""


def read(name: str, text: str) -> Preset:
    """The plan. Raises UserError for what is no YAML, no plan, or has a run whose config cannot be right."""
    values = _values(text)
    try:
        plan = Preset.model_validate({**values, "name": name})
    except ValidationError as error:
        raise UserError(f"This is not a plan:{in_lines(with_given(error, Preset))}") from None
    if plan.requires.paths:
        raise UserError("`requires.paths`: a plan of your own requires no files. Remove this part.")
    if len(plan.runs) > MOST_RUNS:
        raise UserError(f"The plan has {len(plan.runs)} runs, and {MOST_RUNS} are allowed. Make two of it.")
    for planned in plan.runs:
        checks.rehearsed(planned, 0)
    return plan


def create(team: Team, name: str, text: str, user: User) -> OwnPlan:
    """Save a plan under a new name. Raises UserError for a name that is none or taken, and as `read`."""
    name = name.strip()
    if not _NAME.fullmatch(name):
        raise UserError("Give a name of letters, digits, blanks, dots, - and _, at most 80 characters.")
    text = _tidy(text)
    read(name, text)
    with transaction.atomic():
        plan, is_new = OwnPlan.objects.get_or_create(team=team, name=name, defaults={"text": text, "created_by": user})
    if not is_new:
        raise UserError(f"The team has a plan {name!r} already. Open it and change it, or take another name.")
    return plan


def save(plan: OwnPlan, text: str, seen: str) -> None:
    """Change a plan. seen: the text that the change began with. Raises UserError where it is another by now."""
    text = _tidy(text)
    read(plan.name, text)
    with transaction.atomic():
        fresh = OwnPlan.objects.select_for_update(no_key=True).get(pk=plan.pk)
        if fresh.text != _tidy(seen):
            raise PlanHasChanged("Somebody has changed this plan meanwhile. Copy your text and open the plan again.")
        fresh.text = text
        fresh.save()
    plan.text = text


@dataclass(frozen=True)
class Version:
    """A text that a plan has had."""

    number: int
    at: datetime
    who: str
    text: str


def versions(plan: OwnPlan) -> list[Version]:
    """The texts that a plan has had, the newest first, as the audit trail has them (1 query)."""
    rows = OwnPlan.changes.rel.related_model.objects.filter(pgh_obj=plan.pk)  # type: ignore[attr-defined]  # `audited` adds `changes`
    found: list[Version] = []
    for row in rows.order_by("pgh_id"):
        by = row.pgh_context or {}
        if not found or found[-1].text != row.text:
            found.append(Version(row.pgh_id, row.pgh_created_at, by.get("name") or by.get("program") or "", row.text))
    return found[: -MOST_VERSIONS - 1 : -1]


def preset_of(plan: OwnPlan) -> Preset:
    """The plan as it can be submitted. Raises UserError when this version does not accept it any more."""
    return read(plan.name, plan.text)


def as_text(plan: Preset) -> str:
    """A plan as YAML, as `read` takes it: without its name, what has its default, and what tells a preset's results."""
    values = plan.model_dump(mode="json", exclude_defaults=True, exclude={"name", *OF_RESULTS})
    if not (requires := {name: value for name, value in values.pop("requires", {}).items() if name != "paths"}):
        return _dumped(values)
    return _dumped({"requires": requires} | values)


def _dumped(values: dict[str, Any]) -> str:
    return yaml.dump(values, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)


def of_experiment(experiment: Experiment) -> Preset:
    """A plan that makes the runs of an experiment again; of a suite with several seeds, one copy and the seeds.

    Raises UserError for an experiment without runs.
    """
    runs = list(experiment.runs.order_by("id"))
    if not runs:
        raise UserError("The experiment has no runs yet, so there is no plan to save.")
    seeds = sorted({run.copy_seed for run in runs if run.copy_seed is not None})
    is_suite = bool(seeds) and all(run.copy_seed is not None for run in runs)
    if is_suite:
        runs = [run for run in runs if run.copy_seed == runs[0].copy_seed]
    prefix = copy_prefix(runs[0].copy_seed or 0) if is_suite else ""
    planned = [_planned(run, prefix) for run in _in_order(runs)]
    more: dict[str, Any] = {"seeds": seeds} if is_suite and len(seeds) > 1 else {}
    description = experiment.description or f"The runs of “{experiment.name}”."
    try:
        return Preset.model_validate({"name": experiment.name, "description": description, "runs": planned, **more})
    except ValidationError as error:
        told = in_lines(with_given(error, Preset))
        raise UserError(f"The runs of this experiment make no plan:{told}") from None


def _planned(run: Run, prefix: str) -> PlannedRun:
    """The run as planned, or else with its config; under the name that it has in one copy."""
    config = run.plan or _without_defaults(run)
    title = run.title.removesuffix(f" (seed {run.copy_seed})") if prefix else run.title
    planned = PlannedRun(name=run.name.removeprefix(prefix), stage=run.stage, title=title, config=config)
    return planned.model_copy(update={"config": _unprefixed(config, f"@{prefix}")}) if prefix else planned


def _without_defaults(run: Run) -> dict[str, Any]:
    try:
        config = STAGES[run.stage].model_validate(run.config)
    except ValidationError:  # of an earlier version; `read` says what is wrong
        return {name: value for name, value in run.config.items() if name != "stage"}
    values: dict[str, Any] = config.model_dump(mode="json", exclude_defaults=True)
    return {name: value for name, value in values.items() if name != "stage"}


def _unprefixed(value: Any, prefix: str) -> Any:
    if isinstance(value, dict):
        return {key: _unprefixed(item, prefix) for key, item in value.items()}
    if isinstance(value, list):
        return [_unprefixed(item, prefix) for item in value]
    return f"@{value.removeprefix(prefix)}" if isinstance(value, str) and value.startswith(prefix) else value


def _in_order(runs: Sequence[Run]) -> list[Run]:
    """As they were submitted, but each after those that it needs."""
    left, done = {run.name: run for run in runs}, list[Run]()
    while left:
        first = next((run for run in left.values() if not left.keys() & set(run.needs)), next(iter(left.values())))
        done.append(left.pop(first.name))  # the services let no circle in
    return done


def _values(text: str) -> dict[str, Any]:
    if len(text) > LONGEST_TEXT:
        raise UserError(f"The plan has {len(text):,} characters, and {LONGEST_TEXT:,} are allowed.")
    try:
        values = read_typed(text)
        refuse_too_deep(values)
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        place = f" Look at line {mark.line + 1}, column {mark.column + 1}: {problem}." if mark and problem else ""
        raise UserError(f"This is not valid YAML.{place}") from None
    except (RecursionError, UserError):
        raise UserError(TOO_DEEP) from None
    if not isinstance(values, dict):
        raise UserError("A plan has `description` and `runs`, each run with name, stage, title and config.")
    return {str(name): value for name, value in values.items()}


def _tidy(text: str) -> str:
    return text.replace("\r\n", "\n").strip() + "\n"  # as browsers send it


class _Plain(yaml.SafeDumper):
    """Without anchors, which `read` does not take."""

    def ignore_aliases(self, data: Any) -> bool:
        """Each value is written where it stands."""
        return True
