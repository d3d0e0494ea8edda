"""What the experiment and run pages read. Each function is a fixed number of queries, whatever the size of a run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, get_args

from django.db import connection
from django.db.models import Max, Min, Prefetch, Q, QuerySet
from django.utils import timezone
from pydantic import BaseModel

from rpt_core.words import about
from rpt_web.runs import display
from rpt_web.runs.models import Experiment, ParentRole, Run, RunEvent, RunParent, Status, StepMetrics

EXPERIMENTS_PER_PAGE = 15
EVENTS_PER_PAGE = 25
POINTS_PER_CHART = 1000
"""No chart is wider in pixels."""
PACE_POINTS = 20
"""The pace of a run is taken over so many of its latest metrics."""
_THINNED = """
SELECT found.step, found.time, found.values
FROM generate_series(%(first)s + %(every)s - 1, %(last)s + %(every)s - 1, %(every)s) AS stretch (upper)
CROSS JOIN LATERAL (
    SELECT step, time, values::text AS values FROM runs_stepmetrics
    WHERE run_id = %(run)s AND step <= stretch.upper AND step > stretch.upper - %(every)s
    ORDER BY step DESC LIMIT 1
) AS found
ORDER BY found.step
"""
"""The last metrics of each stretch of so many steps: one look into the index for each."""
_LONG = ("config", "plan", "result", "error", "log_tail")
_KEPT_BY_PROGRAMS = (
    *("code_version", "attempt_code_version", "place", "max_attempts", "exit_code", "recorded_seq", "recorded_offset"),
    *("disk_bytes", "measured_attempt", "removed_checkpoints"),
)
UNLISTED = (*_LONG, *_KEPT_BY_PROGRAMS)
"""Fields of a run that lists do without: a page reads hundreds of runs."""


@dataclass(frozen=True)
class ExperimentPage:
    """One page of the list, newest first, with the key from which the next older one goes on."""

    experiments: list[Experiment]
    older: int | None


@dataclass(frozen=True)
class MetricSeries:
    """A run's metrics for charts. With more than the cap of rows, there is one for each `every` steps, and the last."""

    steps: list[int]
    times: list[datetime]
    values: dict[str, list[float | None]]
    every: int

    @property
    def last_step(self) -> int:
        """The newest step in it; 0 for none."""
        return self.steps[-1] if self.steps else 0


class Newest(NamedTuple):
    """Numbers of a run's newest event, of its newest evaluation or checkpoint (both are marked on curves), and of its
    newest result table; 0 for none."""

    event: int
    evaluation: int
    table: int


@dataclass(frozen=True)
class PageHead:
    """What the head of a run's page shows beside the run's own row."""

    blockers: list[str]
    """Names of the runs that block a waiting run."""
    needed: list[tuple[str, Run | None]]
    """What a waiting run needs, by name; None for a run that the experiment has not."""
    has_rollouts: bool

    def key(self, run: Run) -> str:
        """A word that changes whenever the head has to be drawn again."""
        needed = [display.run_state(found).label for _, found in self.needed if found]
        rollouts = ["rollouts"] if self.has_rollouts else []
        label = display.run_state(run, self.blockers).label
        return "-".join([str(run.attempt), label, *rollouts, *self.blockers, *needed])


@dataclass(frozen=True)
class EventPage:
    """A run's newest events before a key, newest first."""

    events: list[RunEvent]
    older: int | None


def experiment_page(
    experiments: QuerySet[Experiment], *, search: str = "", tag: str = "", before: int | None = None
) -> ExperimentPage:
    """Experiments with their runs in order, each with its parents (3 queries)."""
    if search:
        experiments = experiments.filter(
            Q(name__icontains=search) | Q(description__icontains=search) | Q(findings__icontains=search)
        )
    if tag:
        experiments = experiments.filter(tags__contains=[tag])
    if before is not None:
        experiments = experiments.filter(pk__lt=before)
    runs = Run.objects.defer(*UNLISTED).prefetch_related(_parents()).order_by("id")
    found = list(
        experiments.select_related("created_by")
        .prefetch_related(Prefetch("runs", queryset=runs))
        .order_by("-id")[: EXPERIMENTS_PER_PAGE + 1]
    )
    shown = found[:EXPERIMENTS_PER_PAGE]
    return ExperimentPage(shown, shown[-1].pk if len(found) > len(shown) else None)


def runs_in_order(experiment: Experiment) -> list[Run]:
    """An experiment's runs with their parents, in the order in which they were submitted (2 queries)."""
    runs = experiment.runs.defer("plan", "log_tail").select_related("created_by").prefetch_related(_parents())
    return list(runs.order_by("id"))


def _parents() -> Prefetch[str, QuerySet[RunParent], str]:
    """Where models come from and what is a baseline of what, as `known_parents`: what else is read is not asked for."""
    return Prefetch("parents", RunParent.objects.exclude(role=ParentRole.READS), to_attr="known_parents")


def blockers(run: Run) -> list[str]:
    """Names of the runs that block a waiting run (1 query, none for a run that does not wait)."""
    return run.blocked_by() if run.status == Status.WAITING else []


def needed_runs(run: Run) -> list[tuple[str, Run | None]]:
    """What a waiting run needs, by name; None for a run that the experiment has not (1 query, none for another run)."""
    if run.status != Status.WAITING:
        return []
    needed = Run.objects.filter(experiment=run.experiment_id, name__in=run.needs).defer(*UNLISTED)
    found = {run.name: run for run in needed}
    return [(name, found.get(name)) for name in run.needs]


def head_of(run: Run) -> PageHead:
    """What the head of a run's page shows beside its row (1 query, 3 for a waiting run)."""
    return PageHead(blockers(run), needed_runs(run), run.shards.exists())


def metric_series(run: Run, cap: int = POINTS_PER_CHART) -> MetricSeries:
    """A run's metrics, thinned to about `cap` steps (2 or 3 queries, none of which reads more than it gives)."""
    if run.metrics.order_by()[: cap + 1].count() <= cap:
        return _series(run.metrics.order_by("step").values_list("step", "time", "values"), 1)
    ends = run.metrics.aggregate(first=Min("step"), last=Max("step"))
    every = math.ceil((ends["last"] - ends["first"] + 1) / cap)
    with connection.cursor() as cursor:
        cursor.execute(_THINNED, {"run": run.pk, "every": every, **ends})
        return _series(((step, time, json.loads(values)) for step, time, values in cursor.fetchall()), every)


def new_metrics(run_id: int, after_step: int, limit: int = 500) -> list[dict[str, Any]]:
    """Steps after a step, oldest first, as the charts take them (1 query)."""
    rows = StepMetrics.objects.filter(run_id=run_id, step__gt=after_step).order_by("step")
    return [{"step": step, "values": values} for step, values in rows.values_list("step", "values")[:limit]]


def last_step(run: Run) -> int:
    """The step of the newest metrics; 0 for none (1 query)."""
    return run.metrics.aggregate(step=Max("step"))["step"] or 0


def pace(run: Run, now: datetime) -> float | None:
    """Seconds for each step of a running run: over this attempt's latest metrics, or all of a first one (1 query)."""
    if run.status != Status.RUNNING or run.started_at is None:
        return None
    metrics = run.metrics.filter(time__gte=run.started_at).order_by("-step")
    latest = list(metrics.values_list("step", "time")[:PACE_POINTS])
    if len(latest) > 1:
        (last, end), (first, start) = latest[0], latest[-1]
        return (end - start).total_seconds() / (last - first)
    return (now - run.started_at).total_seconds() / run.step if run.step and run.attempt == 1 else None


def progress_of(run: Run) -> dict[str, Any]:
    """How far a run is, as the page and its stream show it (1 query)."""
    left = display.time_left(run.step, run.total_steps, pace(run, timezone.now()))
    return {
        "step": run.step,
        "total": run.total_steps,
        "what": run.progress if run.status == Status.RUNNING else "",
        "share": display.share_done(run),
        "left": None if left is None else about(left),
    }


def newest_events(run: Run) -> Newest:
    """Numbers of a run's newest events (1 query)."""
    found = run.events.aggregate(
        event=Max("seq"),
        evaluation=Max("seq", filter=Q(type__in=("evaluation", "checkpoint"))),
        table=Max("seq", filter=Q(type="table")),
    )
    return Newest(**{name: number or 0 for name, number in found.items()})


def event_page(run: Run, before: int | None = None) -> EventPage:
    """A run's events, newest first (1 query)."""
    events = run.events.order_by("-seq")
    if before is not None:
        events = events.filter(seq__lt=before)
    found = list(events[: EVENTS_PER_PAGE + 1])
    shown = found[:EVENTS_PER_PAGE]
    return EventPage(shown, shown[-1].seq if len(found) > len(shown) else None)


def flatten(config: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """A nested config as dotted names with their values, in order."""
    if not isinstance(config, dict):
        return [(prefix, config)]
    return [pair for key, item in config.items() for pair in flatten(item, f"{prefix}.{key}" if prefix else str(key))]


def in_model_order(config: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """A stored config with its fields in the order of its model; the database keeps none."""
    known = [name for name in model.model_fields if name in config]
    ordered = {name: config[name] for name in [*known, *sorted(config.keys() - known)]}
    for name, part in _parts_of(model).items():
        if name in config:
            ordered[name] = _in_order(config[name], part)
    return ordered


@cache
def _parts_of(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The fields of a model that are models, or lists of them."""
    found = {name: model_of(field.annotation) for name, field in model.model_fields.items()}
    return {name: part for name, part in found.items() if part is not None}


def _in_order(value: Any, model: type[BaseModel]) -> Any:
    """A value that is a model, a list of them, or something else that the field may hold."""
    if isinstance(value, list):
        return [_in_order(item, model) for item in value]
    return in_model_order(value, model) if isinstance(value, dict) else value


def model_of(annotation: Any) -> type[BaseModel] | None:
    """The config model in an annotation such as `X | None`."""
    options = (annotation, *get_args(annotation))
    return next((found for found in options if isinstance(found, type) and issubclass(found, BaseModel)), None)


def _series(rows: Iterable[tuple[int, datetime, dict[str, float | None]]], every: int) -> MetricSeries:
    found = list(rows)
    names: dict[str, None] = {name: None for _, _, values in found for name in values}  # in order of appearance
    columns = {name: _column(found, name) for name in names}
    return MetricSeries([step for step, _, _ in found], [time for _, time, _ in found], columns, every)


def _column(rows: Sequence[tuple[int, datetime, dict[str, float | None]]], name: str) -> list[float | None]:
    return [values.get(name) for _, _, values in rows]
