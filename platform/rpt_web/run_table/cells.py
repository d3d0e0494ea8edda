"""The cells of the table: for some runs and columns all values at once, in a number of queries that does not grow.

In: ids of runs, columns. Out: for each run a `Cell` for each column. What a run has no value for is an empty cell.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from django.db.models import Q

from rpt_web.results.models import Evaluation
from rpt_web.run_table.columns import RunColumn
from rpt_web.run_table.expressions import expression
from rpt_web.runs.models import MetricSummary, Run, StepMetrics


class Cell(NamedTuple):
    """A value, or none; of an accuracy and of a mean the 95 % interval and n; of a number of a step, which step."""

    value: Any = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    step: int | None = None
    words: str = ""
    """Of several runs: what stands where there is no one value."""

    @property
    def is_missing(self) -> bool:
        """Whether there is nothing to show. Zero is a value."""
        return self.value is None or self.value == []


EMPTY = Cell()
Found = dict[tuple[int, str], Cell]


def cells_of(run_ids: Collection[int], columns: Sequence[RunColumn]) -> dict[int, list[Cell]]:
    """Run -> its cells in the order of the columns (4 queries at most)."""
    found: Found = {}
    for family, read in _READERS.items():
        if asked := [column for column in columns if column.family == family]:
            found.update(read(run_ids, asked))
    return {run: [found.get((run, column.name), EMPTY) for column in columns] for run in run_ids}


def _of_runs(run_ids: Collection[int], columns: Sequence[RunColumn]) -> Iterator[tuple[tuple[int, str], Cell]]:
    names = {f"value_{number}": column for number, column in enumerate(columns)}
    asked = {name: expression(column) for name, column in names.items()}
    rows = Run.objects.filter(pk__in=run_ids).order_by().annotate(**asked).values_list("pk", *names)
    for run, *values in rows:
        for column, value in zip(columns, values, strict=True):
            if value is not None:
                yield (run, column.name), Cell(value)


def _of_configs(run_ids: Collection[int], columns: Sequence[RunColumn]) -> Iterator[tuple[tuple[int, str], Cell]]:
    for run, config in Run.objects.filter(pk__in=run_ids).order_by().values_list("pk", "config"):
        for column in columns:
            if (value := value_at(config, column.path)) is not None:
                yield (run, column.name), Cell(value)


def value_at(config: Any, path: Sequence[str]) -> Any:
    """What stands at a path of keys, as Postgres finds it; None for nothing."""
    for key in path:
        if isinstance(config, dict):
            config = config.get(key)
        elif isinstance(config, list) and key.lstrip("-").isdecimal() and -len(config) <= int(key) < len(config):
            config = config[int(key)]
        else:
            return None
    return config


def _of_metrics(run_ids: Collection[int], columns: Sequence[RunColumn]) -> Iterator[tuple[tuple[int, str], Cell]]:
    if summed := [column for column in columns if column.how != "at"]:
        yield from _summed_up(run_ids, summed)
    if at_steps := [column for column in columns if column.how == "at"]:
        yield from _at_steps(run_ids, at_steps)


def _summed_up(run_ids: Collection[int], columns: Sequence[RunColumn]) -> Iterator[tuple[tuple[int, str], Cell]]:
    by_metric: dict[str, list[RunColumn]] = {}
    for column in columns:
        by_metric.setdefault(column.key, []).append(column)
    rows = MetricSummary.objects.filter(run__in=run_ids, metric__in=by_metric).order_by()
    names = ("last", "last_step", "min", "min_step", "max", "max_step")
    for run, metric, *values in rows.values_list("run_id", "metric", *names):
        known = dict(zip(names, values, strict=True))
        for column in by_metric[metric]:
            yield (run, column.name), Cell(known[column.how], step=known[f"{column.how}_step"])


def _at_steps(run_ids: Collection[int], columns: Sequence[RunColumn]) -> Iterator[tuple[tuple[int, str], Cell]]:
    steps = {column.step or 0 for column in columns}
    rows = StepMetrics.objects.filter(run__in=run_ids, step__in=steps).order_by()
    for run, step, values in rows.values_list("run_id", "step", "values"):
        for column in columns:
            if column.step == step and values.get(column.key) is not None:
                yield (run, column.name), Cell(values[column.key], step=step)


def _of_accuracies(run_ids: Collection[int], columns: Sequence[RunColumn]) -> Iterator[tuple[tuple[int, str], Cell]]:
    wanted = Q()
    for mode, difficulty, step in {(column.mode, column.difficulty, column.step) for column in columns}:
        at = Q() if step is None else Q(step=step)
        wanted |= Q(at, mode=mode, difficulty=difficulty)
    rows = Evaluation.objects.filter(wanted, run__in=run_ids).order_by("step")
    fields = ("run_id", "step", "mode", "difficulty", "value", "low", "high", "n")
    for run, step, mode, difficulty, value, low, high, n in rows.values_list(*fields):
        for column in columns:  # the newest one stands last, and stays
            if (column.mode, column.difficulty) == (mode, difficulty) and column.step in (None, step):
                yield (run, column.name), Cell(value, low, high, n, step)


_READERS = {"run": _of_runs, "config": _of_configs, "metric": _of_metrics, "accuracy": _of_accuracies}
