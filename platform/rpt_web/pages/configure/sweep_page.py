"""The part of the form that makes a sweep: how many runs, what they cost, what is wrong with which, and the submit.

In: the bound form and its place. Out: what the part shows, or an experiment with all its runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from django.db import transaction

from rpt_core.config import STAGES, StageConfig
from rpt_core.errors import UserError
from rpt_web.pages.configure.choice import Choice, Place
from rpt_web.pages.configure.forms import LONGEST_NAME, PlannedRunForm
from rpt_web.pages.configure.sweep import GRID, LIST, Variant, variants
from rpt_web.runs import checks, findings, planning, preflight, quick_look, services
from rpt_web.runs.findings import Finding
from rpt_web.runs.models import Experiment, Priority, Run
from rpt_web.teams.models import User

TEXT, WAY, NAME = "sweep", "sweep_way", "sweep_name"
CHECK, SUBMIT, ANYWAY = "sweep_check", "sweep_submit", "sweep_anyway"
NAMED = 6
"""Names of runs that stand beside their number."""


@dataclass
class Sweep:
    """What the part of the form shows."""

    text: str
    way: str
    name: str
    variants: Sequence[Variant] = ()
    refusal: str = ""
    """Why the lines make no runs."""
    found: list[Finding] = field(default_factory=list)
    costs: list[tuple[Variant, dict[str, Any] | None, dict[str, Any] | None]] = field(default_factory=list)
    """Each run with what it takes, typically and at most; empty until they were checked."""
    is_checked: bool = False
    is_asking: bool = False
    """Whether it may be submitted all the same."""
    is_busy: bool = False
    priority: Priority = Priority.NORMAL

    @property
    def names(self) -> list[str]:
        """Of the first runs."""
        return [variant.planned.name for variant in self.variants[:NAMED]]

    @property
    def is_failing(self) -> bool:
        """Whether it cannot be submitted as it is."""
        return bool(self.refusal) or any(finding.level == "error" for finding in self.found)

    @property
    def more(self) -> int:
        """How many other runs there are."""
        return len(self.variants) - len(self.names)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The findings as the table shows them, what is red first."""
        ordered = sorted(self.found, key=lambda found: found.level)
        return [{"finding": found, "is_of_all": len(found.runs) == len(self.variants)} for found in ordered]

    @property
    def totals(self) -> dict[str, dict[str, float]]:
        """What all runs take together; empty where that of one is not known."""
        typical, most = [cost for _, cost, _ in self.costs], [cost for _, _, cost in self.costs]
        if not self.costs or None in typical or None in most:
            return {}
        return {"typical": _sum(cast(Any, typical)), "most": _sum(cast(Any, most))}


def begun(form: PlannedRunForm, data: Mapping[str, Any], origin: str) -> Sweep:
    """What was typed, with the runs that it makes."""
    sweep = Sweep(data.get(TEXT, ""), LIST if data.get(WAY) == LIST else GRID, data.get(NAME, "") or f"{origin} sweep")
    if form.is_bound and sweep.text.strip():
        sweep.refusal = " ".join(map(str, form.errors.get("priority", ())))
        sweep.priority = form.cleaned_data.get("priority", Priority.NORMAL)
        try:
            sweep.variants = variants(form, sweep.text, sweep.way)
        except UserError as error:
            sweep.refusal = str(error)
    return sweep


def look(sweep: Sweep, choice: Choice) -> list[StageConfig]:
    """The configs of the runs; what is wrong with them, seen at once, is found with the runs that have it."""
    experiment = cast(Place, choice.place).experiment
    told: dict[Finding, list[str]] = {}
    configs = []
    for variant in sweep.variants:
        values, refusals = planning.tentative_values(variant.planned, experiment)
        found = quick_look.look(variant.planned.stage, values, [experiment.team_id])
        found += [Finding("error", "", words, source="the runs of the experiment") for words in refusals.values()]
        for finding in found:
            told.setdefault(finding, []).append(variant.planned.name)
        if not found:
            configs.append(STAGES[variant.planned.stage].model_validate(values))
    sweep.found = [replace(finding, runs=tuple(names)) for finding, names in told.items()]
    return configs


def check(sweep: Sweep, choice: Choice, hardware: str, person: int) -> list[StageConfig]:
    """The same, and what pre-flight says of each run; runs that differ by their seed alone are looked at once."""
    if not sweep.variants and not sweep.refusal:
        sweep.refusal = "Name at least one setting with several values, such as `learning_rate: 1e-6, 3e-6`."
    configs = look(sweep, choice)
    if not sweep.is_failing:
        _report(sweep, configs, choice, hardware, person)
    return configs


def _report(sweep: Sweep, configs: Sequence[StageConfig], choice: Choice, hardware: str, person: int) -> None:
    pairs = [(variant, config) for variant, config in zip(sweep.variants, configs, strict=True)]
    alone = [(variant, config) for variant, config in pairs if variant.is_first_seed]
    asked = [(config.stage, config.model_dump(mode="json")) for _, config in alone]
    team = cast(Place, choice.place).experiment.team_id
    try:
        reports = preflight.reports_of_person(asked, hardware, [team], person)
    except preflight.TooManyChecks as busy:
        sweep.refusal, sweep.is_busy = f"It was not checked. {busy}", True
        return
    except UserError as error:
        sweep.found = [Finding("warning", "", f"What the runs take is not known: the check did not finish. {error}")]
        return
    named = [(variant.planned.name, report) for (variant, _), report in zip(alone, reports, strict=True)]
    sweep.found, sweep.is_checked = findings.of_reports(named), True
    by_changes = {_plain(variant): report for (variant, _), report in zip(alone, reports, strict=True)}
    sweep.costs = [
        (variant, by_changes[_plain(variant)]["typical"], by_changes[_plain(variant)]["most"])
        for variant in sweep.variants
    ]


def submitted(
    sweep: Sweep, choice: Choice, hardware: str, user: User, origin: Run | None, *, anyway: bool
) -> Experiment | None:
    """The experiment with all its runs; None with what speaks against it on the sweep, and nothing stored."""
    try:
        name = checks.checked_name(sweep.name, "experiment", LONGEST_NAME)
        configs = check(sweep, choice, hardware, user.pk)
        if sweep.is_failing or (sweep.found and not anyway):
            sweep.is_asking = not sweep.is_failing
            return None
        with transaction.atomic():
            return _stored(sweep, configs, name, choice, user, origin)
    except UserError as error:
        sweep.refusal = str(error)
        return None


def _stored(
    sweep: Sweep, configs: Sequence[StageConfig], name: str, choice: Choice, user: User, origin: Run | None
) -> Experiment:
    place = cast(Place, choice.place)
    lines = "; ".join(line.strip() for line in sweep.text.splitlines() if line.strip())
    experiment = services.create_experiment(
        name,
        user,
        team=place.experiment.team,
        preset=place.experiment.preset,
        seed=place.seed,
        description=f"A sweep from “{place.experiment.name}”. {lines}",
    )
    planned = [variant.planned for variant in sweep.variants]
    named = [(run.name, run.title, config) for run, config in zip(planned, configs, strict=True)]
    services.submit_sweep(experiment, named, user, origin, priority=sweep.priority)
    return experiment


def _plain(variant: Variant) -> tuple[Any, ...]:
    """What differs besides the seed."""
    return tuple((name, str(value)) for name, value in variant.changes.items() if name != "seed")


def _sum(costs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: sum(cost[name] for cost in costs) for name in ("seconds", "flops", "disk_bytes")}
