"""The leaderboard of a filled platform: one position set, and the rows of each experiment's evaluations."""

from __future__ import annotations

from collections.abc import Sequence

from rpt_core.config import PAPER_NATS
from rpt_web.results.changes import Intervals
from rpt_web.results.models import EvaluatedSet, Evaluation, Standing
from rpt_web.results.standings import standings
from rpt_web.runs.models import Experiment
from rpt_web.runs.queries import runs_in_order

FILLED_SET = "f111ed5e7f111ed5e7f111ed5e7f111e"
"""Stands for the positions of all that was filled; nothing of them is on disk."""


def rank(experiments: Sequence[Experiment], positions: int) -> int:
    """Write the rows of these experiments; their differences have no intervals."""
    known = {"positions": positions, "documents": positions // 4, "above_nats": PAPER_NATS, "corpora": ["Cards"]}
    EvaluatedSet.objects.get_or_create(team=experiments[0].team, hash=FILLED_SET, defaults=known)
    rows: list[Standing] = []
    for experiment in experiments:
        runs = runs_in_order(experiment)
        made = standings(runs, Evaluation.objects.filter(run__in=runs).order_by("id"), Intervals())
        for row in made:
            row.experiment = experiment
        rows += made
    Standing.objects.bulk_create(rows, batch_size=500)
    return len(rows)


def forget() -> None:
    """Take the position set away; the rows go with their experiments."""
    EvaluatedSet.objects.filter(hash=FILLED_SET).delete()
