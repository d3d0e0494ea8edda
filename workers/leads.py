"""Differences of the leaderboard's rows to the baselines that teams have pinned.

In: an experiment whose rows were written. Out: rows of `BaselineLead` for each pin that one of them is measured by, or
is itself. Seeds are paired where both rows have the same ones; where they have others, the difference has no interval.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q

from rpt_core.config import DIFFICULTIES
from rpt_core.run.tables import Estimate
from rpt_web.results.changes import Change
from rpt_web.results.models import BaselineLead, Evaluation, PinnedBaseline, Standing
from rpt_web.runs.models import Experiment
from workers.differences import difference

OTHER_SEEDS = "no interval: the seeds are others"


def refresh(experiment: Experiment) -> None:
    """Compute what is missing or of older results."""
    groups = set(experiment.standings.values_list("group", flat=True)) - {""}
    for pin in PinnedBaseline.objects.filter(group__in=groups).select_related("standing"):
        rows = Standing.objects.filter(group=pin.group).filter(_seen_by(pin.team_id)).exclude(pk=pin.standing_id)
        own = pin.standing.experiment_id == experiment.pk  # then all rows stand to a baseline that may be another now
        _refresh(pin, (rows if own else rows.filter(experiment=experiment)).distinct())


def _seen_by(team_id: int) -> Q:
    return Q(experiment__team=team_id) | Q(experiment__shares__shared_with=team_id)


def _refresh(pin: PinnedBaseline, rows: Iterable[Standing]) -> None:
    known = {(lead.standing_id, lead.difficulty): lead.evaluations for lead in pin.leads.all()}
    found = []
    for row in rows:
        for level in DIFFICULTIES:
            ids = _pairs(pin.standing, row, level)
            if ids and known.get((row.pk, level)) != ids:
                found.append(_lead(pin, row, level, ids))
    BaselineLead.objects.bulk_create(
        found,
        update_conflicts=True,
        unique_fields=["pin", "standing", "difficulty"],
        update_fields=["evaluations", "value", "low", "high", "n", "how"],
    )


def _pairs(baseline: Standing, row: Standing, level: str) -> list[int]:
    """Ids of evaluations, pair after pair, or all of the one and then of the other where the seeds are others."""
    if level not in baseline.cells or level not in row.cells:
        return []
    before, after = baseline.cells[level]["evaluations"], row.cells[level]["evaluations"]
    if not _is_paired(baseline, row):
        return [*before, *after]
    return [pk for pair in zip(before, after, strict=True) for pk in pair]


def _is_paired(baseline: Standing, row: Standing) -> bool:
    return len(baseline.members) == len(row.members) and (len(row.members) == 1 or baseline.seeds == row.seeds)


def _lead(pin: PinnedBaseline, row: Standing, level: str, ids: list[int]) -> BaselineLead:
    change = _change(pin.standing, row, level, ids)
    found = change.estimate
    return BaselineLead(
        pin=pin,
        standing=row,
        difficulty=level,
        evaluations=ids,
        value=found.value,
        low=found.low,
        high=found.high,
        n=found.n,
        how=change.how,
    )


def _change(baseline: Standing, row: Standing, level: str, ids: list[int]) -> Change:
    rows = {found.pk: found for found in Evaluation.objects.filter(pk__in=ids).select_related("run")}
    values = [rows[pk] for pk in ids if pk in rows]
    if _is_paired(baseline, row) and len(values) == len(ids):
        return difference(list(zip(values[::2], values[1::2], strict=True)))
    value = row.cells[level]["value"] - baseline.cells[level]["value"]
    return Change(Estimate(value, None, None, None), OTHER_SEEDS)
