"""What a form can start: presets with an RPT run, and the experiments that have what such a run needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from rpt_core.presets import PlannedRun, Preset, load_preset, preset_names
from rpt_web.runs.models import Experiment, Status
from rpt_web.runs.queries import flatten

STAGE = "rpt"
EXPERIMENTS_OFFERED = 200


@dataclass(frozen=True)
class Choice:
    """What can be chosen, and what is. Without a preset or a ready experiment the rest is None."""

    presets: Sequence[Preset]
    preset: Preset | None
    planned: PlannedRun | None
    experiments: Sequence[Experiment]
    experiment: Experiment | None

    @property
    def needs(self) -> list[str]:
        """Names of the runs that must have succeeded."""
        return sorted(self.planned.needs()) if self.planned else []


def choose(visible: QuerySet[Experiment], preset_name: str, experiment_id: int | None) -> Choice:
    """The choice by what the address asks for, with the nearest fitting one for what it leaves open."""
    presets = [preset for preset in map(load_preset, preset_names()) if _rpt_run(preset)]
    asked = visible.filter(pk=experiment_id).first() if experiment_id is not None else None
    wanted = preset_name or (asked.preset if asked else "") or "tiny"
    preset = next((found for found in presets if found.name == wanted), presets[0] if presets else None)
    planned = _rpt_run(preset) if preset else None
    ready = list(ready_experiments(visible, planned)[:EXPERIMENTS_OFFERED]) if planned else []
    experiment = next((found for found in ready if found.pk == experiment_id), None)
    if experiment is None and asked is None and ready:
        experiment = ready[0]
    return Choice(presets, preset, planned, ready, experiment)


def ready_experiments(visible: QuerySet[Experiment], planned: PlannedRun) -> QuerySet[Experiment]:
    """Experiments in which every run that the planned one needs has succeeded, newest first."""
    for name in planned.needs():
        visible = visible.filter(runs__name=name, runs__status=Status.SUCCEEDED)
    return visible.order_by("-id")


def free_name(experiment: Experiment, name: str) -> str:
    """The name, or the name with the first free number."""
    taken = set(experiment.runs.values_list("name", flat=True))
    number = 2
    free = name
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free


def sources(choice: Choice) -> list[tuple[str, str, str]]:
    """What the run takes from earlier ones: (field, run, what), each once."""
    values = flatten(choice.planned.config) if choice.planned else []
    references = [
        (name, text[1:].partition("/"))
        for name, text in values
        if isinstance(text, str) and "/" in text[1:] and text.startswith("@")
    ]
    return [(name, run, what) for name, (run, _, what) in references]


def _rpt_run(preset: Preset) -> PlannedRun | None:
    return next((run for run in preset.runs if run.stage == STAGE), None)
