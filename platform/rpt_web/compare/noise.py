"""The noise floor: how far evaluations of one model lie apart when only the seed of their sampling differs.

In: evaluated entries, a difficulty. Out: for each of their modes the spread that a difference of two evaluations must
beat, where such repetitions exist, in the basket or beside it; else why there is none. A fixed number of queries.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import NormalDist, mean

from django.db.models import QuerySet

from rpt_web.compare.comparisons import EvaluatedEntry
from rpt_web.results.models import Evaluation
from rpt_web.results.queries import mode_label
from rpt_web.runs.models import ParentRole, Run, RunParent

UNSAMPLED = "standard"
"""The mode whose answers are the most probable ones."""
Model = tuple[int, int]
"""The run that wrote a checkpoint, and its step."""


@dataclass(frozen=True)
class NoiseFloor:
    """Of evaluations that were repeated."""

    models: int
    repeats: int
    deviation: float
    """Of one evaluation, pooled over the models."""
    runs: frozenset[int]
    """Which evaluated the models repeatedly."""

    @property
    def floor(self) -> float:
        """What a difference of two evaluations exceeds by chance in 5 % of all cases."""
        return floor_of(self.deviation, self.deviation)


@dataclass(frozen=True)
class ModeNoise:
    """What is known of the noise of sampling in one mode."""

    mode: str
    floor: NoiseFloor | None

    @property
    def label(self) -> str:
        """The mode, in words."""
        return mode_label(self.mode)

    @property
    def why(self) -> str:
        """Why there is no floor, where there is none."""
        if self.mode == UNSAMPLED:
            return "an answer without thinking is not sampled, so another sampling seed gives the same one."
        return "no model here was evaluated again with another sampling seed. Evaluate one again to have it."

    @property
    def deviation(self) -> float | None:
        """Of one evaluation; None where it is not known."""
        return self.floor.deviation if self.floor else 0.0 if self.mode == UNSAMPLED else None


def floor_of(a: float, b: float) -> float:
    """What a difference of evaluations of these standard deviations exceeds by chance in 5 % of all cases."""
    return NormalDist().inv_cdf(0.975) * math.hypot(a, b)


def noise_of_modes(entries: Sequence[EvaluatedEntry], seen: QuerySet[Run], difficulty: str) -> list[ModeNoise]:
    """For each mode of the entries, the baseline's first, the floor from repeated evaluations of the models that were
    evaluated in it."""
    return [
        ModeNoise(mode, noise_floor([one for one in entries if one.mode == mode], seen, mode, difficulty))
        for mode in dict.fromkeys(one.mode for one in entries)
    ]


def floors_across(noises: Sequence[ModeNoise]) -> list[tuple[str, str, float]]:
    """Of the baseline's mode and each other: both in words, and the floor of a difference between them; without those
    that are not known, or where nothing is sampled."""
    if not noises or noises[0].deviation is None:
        return []
    first, own = noises[0].label, noises[0].deviation
    return [
        (first, one.label, floor_of(own, one.deviation))
        for one in noises[1:]
        if one.deviation is not None and max(own, one.deviation) > 0
    ]


def noise_floor(
    entries: Sequence[EvaluatedEntry], seen: QuerySet[Run], mode: str, difficulty: str
) -> NoiseFloor | None:
    """From repeated evaluations of the entries' models among the runs that may be seen; None without any.

    mode: that of all of the entries.
    """
    models = _models_of([one.run.pk for one in entries])
    wanted = {models.get(one.run.pk, (one.run.pk, one.step)) for one in entries}
    parents = {parent for parent, _ in wanted}
    starts = RunParent.objects.filter(
        role=ParentRole.START, parent__in=parents, run__stage="evaluate", run__in=seen.order_by().values("pk")
    )
    repeated = dict(starts.values_list("run", "parent"))
    by_model = _values(_models_of(repeated), wanted, mode, difficulty)
    groups = [[value for value, _ in own.values()] for own in by_model.values() if len(own) > 1]
    if not groups:
        return None
    squares = sum((value - mean(values)) ** 2 for values in groups for value in values)
    freedom = sum(len(values) - 1 for values in groups)
    runs = frozenset(run for own in by_model.values() if len(own) > 1 for _, run in own.values())
    return NoiseFloor(len(groups), sum(map(len, groups)), math.sqrt(squares / freedom), runs)


def _models_of(runs: Collection[int]) -> dict[int, Model]:
    """Of `evaluate` runs: the checkpoint that they evaluated."""
    rows = RunParent.objects.filter(role=ParentRole.START, run__in=runs, run__stage="evaluate").exclude(parent=None)
    found = rows.values_list("run", "parent", "step")
    return {run: (parent, step) for run, parent, step in found if parent is not None and step is not None}


def _values(
    models: dict[int, Model], wanted: Collection[Model], mode: str, difficulty: str
) -> dict[object, dict[int, tuple[float, int]]]:
    """By model and positions, for each seed of the sampling: the accuracy, and the run that measured it."""
    rows = Evaluation.objects.filter(run__in=models, mode=mode, difficulty=difficulty, n__gt=0).order_by("pk")
    found: dict[object, dict[int, tuple[float, int]]] = defaultdict(dict)
    for run, seed, value, n, positions in rows.values_list("run_id", "run__seed", "value", "n", "position_set"):
        if (model := models[run]) in wanted:
            found[model, positions or n][seed] = value, run
    return found
