"""Columns as expressions over the row of a run: what the database filters and sorts by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import F, FloatField, Func, JSONField, OuterRef, Subquery, TextField, Value
from django.db.models.functions import Cast, Coalesce

from rpt_web.results.models import Evaluation
from rpt_web.run_table.columns import RunColumn
from rpt_web.runs import cost
from rpt_web.runs.models import MetricSummary, StepMetrics

Expression = Any
"""An `F`, or any other expression of Django."""


def expression(column: RunColumn) -> Expression:
    """The value of a column, null where a run has none."""
    return _MADE[column.family](column)


def setting(column: RunColumn) -> Func:
    """A setting as jsonb; null also where the config says null."""
    found = Func(F("config"), *map(Value, column.path), function="jsonb_extract_path", output_field=JSONField())
    return Func(found, template="NULLIF(%(expressions)s, 'null'::jsonb)", output_field=JSONField())


def _of_run(column: RunColumn) -> Expression:
    made = _RUN.get(column.name)
    return F(column.name) if made is None else made()


def _of_metric(column: RunColumn) -> Expression:
    if column.how != "at":
        rows = MetricSummary.objects.filter(run=OuterRef("pk"), metric=column.key)
        return Subquery(rows.values(column.how)[:1])
    text = Func(F("values"), Value(column.key), function="jsonb_extract_path_text", output_field=TextField())
    steps = StepMetrics.objects.filter(run=OuterRef("pk"), step=column.step or 0)
    return Subquery(steps.annotate(number=Cast(text, FloatField())).values("number")[:1])


def _of_accuracy(column: RunColumn) -> Expression:
    rows = Evaluation.objects.filter(run=OuterRef("pk"), mode=column.mode, difficulty=column.difficulty)
    if column.step is not None:
        rows = rows.filter(step=column.step)
    return Subquery(rows.order_by("-step").values("value")[:1])


_MADE: dict[str, Callable[[RunColumn], Expression]] = {
    "run": _of_run,
    "config": setting,
    "metric": _of_metric,
    "accuracy": _of_accuracy,
}


def _text(field: str) -> Expression:
    """A text that may be empty; empty is missing."""
    return Func(F(field), template="NULLIF(%(expressions)s, '')", output_field=TextField())


_RUN: dict[str, Callable[[], Expression]] = {
    "title": lambda: _text("title"),
    "error": lambda: _text("error"),
    "experiment": lambda: F("experiment__name"),
    "team": lambda: F("experiment__team__name"),
    "by": lambda: F("created_by__username"),
    "created": lambda: F("created_at"),
    "started": lambda: F("started_at"),
    "finished": lambda: F("finished_at"),
    "attempts": lambda: F("attempt"),
    "hours": cost.hours,
    "gpu_hours": cost.gpu_hours,
    "disk": lambda: F("disk_bytes"),
    "code_version": lambda: Coalesce(_text("attempt_code_version"), F("code_version"), output_field=TextField()),
}
"""Columns of the run whose name is not that of a field."""
