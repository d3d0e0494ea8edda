"""Each metric of a run in a few numbers: the last one, the smallest and the largest, each with its step.

In: rows of steps, as they were and as they are stored now. Out: rows of `MetricSummary`, which tables of many runs
read instead of the steps. New values are counted in; where one was replaced by another, or steps have gone, the
metric is summed up again from what is stored, so that reading a file twice gives the same rows.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.db import connection

from rpt_web.runs.models import MetricSummary, StepMetrics

_SUMMED_UP = """
INSERT INTO runs_metricsummary (run_id, metric, last, last_step, min, min_step, max, max_step)
SELECT run_id, metric, last[2], last[1], lowest[1], lowest[2], highest[1], -highest[2] FROM (
    SELECT run_id, metric, max(ARRAY[step, value]) AS last, min(ARRAY[value, step]) AS lowest,
           max(ARRAY[value, -step]) AS highest
    FROM (
        SELECT rows.run_id, rows.step::float8, entry.key AS metric,
               CASE WHEN jsonb_typeof(entry.value) = 'number' THEN entry.value::float8 END AS value
        FROM runs_stepmetrics AS rows, jsonb_each(rows.values) AS entry
        WHERE rows.run_id = ANY(%(runs)s)
    ) AS numbers
    WHERE value IS NOT NULL AND (%(all)s OR metric = ANY(%(metrics)s))
    GROUP BY run_id, metric
) AS found
"""
"""Arrays are compared by their first element, then by the second: a value comes with its step in one pass."""
_FIELDS = ("last", "last_step", "min", "min_step", "max", "max_step")


def write(run_id: int, rows: Iterable[StepMetrics], before: Mapping[int, Mapping[str, Any]]) -> None:
    """Count steps in that were stored; `before`: the values of those of them that were there already (2 queries)."""
    stored = {row.step: row.values for row in rows}
    values = [
        (metric, step, value) for step, found in stored.items() for metric, value in found.items() if _is_number(value)
    ]
    known = {
        row.metric: row
        for row in MetricSummary.objects.filter(run=run_id, metric__in={metric for metric, *_ in values})
    }
    for metric, step, value in values:
        if metric in known:
            known[metric].take(step, value)
        else:
            known[metric] = MetricSummary.of(run_id, metric, step, value)
    for row in known.values():
        row.pk = None
    MetricSummary.objects.bulk_create(
        known.values(), update_conflicts=True, unique_fields=["run", "metric"], update_fields=_FIELDS
    )
    replaced = {
        metric
        for step, old in before.items()
        for metric, value in old.items()
        if _is_number(value) and stored[step].get(metric) != value
    }
    if replaced:
        sum_up([run_id], replaced)


def forget_beyond(run_id: int, step: int) -> None:
    """After the steps beyond one were deleted: sum up what is left, where that is less (1 query, mostly)."""
    if MetricSummary.objects.filter(run=run_id, last_step__gt=step).exists():
        sum_up([run_id])


def sum_up(run_ids: Collection[int], metrics: Collection[str] | None = None) -> None:
    """Make the rows of runs again from their steps, of some metrics or of all (2 queries)."""
    old = MetricSummary.objects.filter(run__in=run_ids)
    (old if metrics is None else old.filter(metric__in=metrics)).delete()
    with connection.cursor() as cursor:
        asked: dict[str, Any] = {"runs": list(run_ids), "all": metrics is None, "metrics": list(metrics or ())}
        cursor.execute(_SUMMED_UP, asked)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
