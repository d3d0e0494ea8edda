"""The evaluations that a comparison's entries stand for, for what its own numbers do not hold: boxes and compute.

In: a stored comparison. Out: by place and difficulty the row of `Evaluation`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rpt_web.compare.models import PositionComparison
from rpt_web.results.models import Evaluation


def evaluations_of(row: PositionComparison) -> Sequence[Mapping[str, Evaluation]]:
    """By place, each by its difficulty (1 query)."""
    found: dict[tuple[int, int, str], dict[str, Evaluation]] = {}
    steps = {step for _, step, _ in row.entries}
    for one in Evaluation.objects.filter(run__in=row.runs, step__in=steps, mode__in=row.modes).order_by():
        found.setdefault((one.run_id, one.step, one.mode), {})[one.difficulty] = one
    return [found.get((run, step, mode), {}) for run, step, mode in row.entries]
