"""The metrics of many runs at once, thinned in the database: what curves over each other are drawn from.

In: ids of runs, names of metrics. Out: one `RunCurve` for each run, of about so many points. A fixed number of queries,
none of which reads more rows than it gives.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection

from rpt_web.results.models import Evaluation

POINTS_IN_ALL, FEWEST_POINTS, MOST_POINTS = 12_000, 40, 500
"""Of all runs together, and of each."""
ACCURACY = "accuracy"
"""Accuracies have names such as `accuracy/sampled/hard`."""
SPEED, TIMES = "tokens_per_second", ("seconds", "seconds_sampling", "seconds_update")
_NAMES = """
SELECT name, count(*) FROM unnest(%s::bigint[]) AS run (id)
CROSS JOIN LATERAL (SELECT values FROM runs_stepmetrics WHERE run_id = run.id ORDER BY step DESC LIMIT 1) AS newest
CROSS JOIN LATERAL jsonb_object_keys(newest.values) AS name GROUP BY name
"""
_THINNED = """
SELECT ends.run, found.step, found.time, found.flops, found.picked
FROM (
    SELECT run.id AS run,
        (SELECT min(step) FROM runs_stepmetrics WHERE run_id = run.id) AS first,
        (SELECT max(step) FROM runs_stepmetrics WHERE run_id = run.id) AS last
    FROM unnest(%(runs)s::bigint[]) AS run (id)
) AS ends
CROSS JOIN LATERAL (
    SELECT greatest(1, ceil((ends.last - ends.first + 1)::numeric / %(cap)s))::int AS every
) AS pace
CROSS JOIN LATERAL generate_series(ends.first + every - 1, ends.last + every - 1, every) AS stretch (upper)
CROSS JOIN LATERAL (
    SELECT step, time, flops, ARRAY(
        SELECT (values ->> name)::float8
        FROM unnest(%(names)s::text[]) WITH ORDINALITY AS named (name, place) ORDER BY place
    ) AS picked
    FROM runs_stepmetrics WHERE run_id = ends.run AND step <= upper AND step > upper - every
    ORDER BY step DESC LIMIT 1
) AS found
ORDER BY ends.run, found.step
"""


@dataclass
class RunCurve:
    """A run's metrics by step; None where a step does not have one."""

    steps: list[int] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)
    flops: list[float | None] = field(default_factory=list)
    values: dict[str, list[float | None]] = field(default_factory=lambda: defaultdict(list))

    @property
    def hours(self) -> list[float]:
        """Since the first point, pauses included."""
        return [(time - self.times[0]).total_seconds() / 3600 for time in self.times]

    @property
    def tokens(self) -> list[float | None]:
        """Processed until each point, in millions: speed times seconds, summed over the steps; None without them."""
        total, before, found = 0.0, 0, list[float | None]()
        for place, step in enumerate(self.steps):
            amount = self._tokens_of_a_step(place)
            total += (amount or 0.0) * (step - before)
            found.append(None if amount is None else total / 1e6)
            before = step
        return found

    def _tokens_of_a_step(self, place: int) -> float | None:
        speed = self._at(SPEED, place)
        whole, *parts = (self._at(name, place) for name in TIMES)
        known = [part for part in parts if part is not None]
        seconds = whole if whole is not None else sum(known) if known else None
        return None if speed is None or seconds is None else speed * seconds

    def _at(self, name: str, place: int) -> float | None:
        column = self.values.get(name)
        return column[place] if column else None


def metric_names(runs: Sequence[int]) -> dict[str, int]:
    """Names of the metrics and accuracies that the runs have, each with how many runs have it (2 queries)."""
    with connection.cursor() as cursor:
        cursor.execute(_NAMES, [list(runs)])
        found: dict[str, int] = dict(cursor.fetchall())
    rows = Evaluation.objects.filter(run__in=runs, n__gt=0).order_by().values_list("run", "mode", "difficulty")
    for _, mode, difficulty in rows.distinct():
        name = accuracy_name(mode, difficulty)
        found[name] = found.get(name, 0) + 1
    return found


def run_curves(runs: Sequence[int], names: Sequence[str], lines: int = 0) -> dict[int, RunCurve]:
    """The curves of some metrics, by run (1 query). Runs without any are left out.

    lines: how many lines are drawn of them, where that is more than one for each run.
    """
    wanted = list(dict.fromkeys([*names, SPEED, *TIMES]))
    cap = min(MOST_POINTS, max(FEWEST_POINTS, POINTS_IN_ALL // max(1, len(runs), lines)))
    found: dict[int, RunCurve] = defaultdict(RunCurve)
    with connection.cursor() as cursor:
        cursor.execute(_THINNED, {"runs": list(runs), "names": wanted, "cap": cap})
        for run, step, time, flops, picked in cursor.fetchall():
            curve = found[run]
            curve.steps.append(step)
            curve.times.append(time)
            curve.flops.append(flops)
            for name, value in zip(wanted, picked, strict=True):
                curve.values[name].append(value)
    return dict(found)


def accuracies(runs: Sequence[int], name: str) -> dict[int, list[Evaluation]]:
    """Evaluations of one mode and difficulty, by run and in the order of steps (1 query)."""
    _, mode, difficulty = name.split("/", 2)
    found: dict[int, list[Evaluation]] = defaultdict(list)
    rows = Evaluation.objects.filter(run__in=runs, mode=mode, difficulty=difficulty, n__gt=0)
    for row in rows.order_by("run", "step"):
        found[row.run_id].append(row)
    return dict(found)


def accuracy_name(mode: str, difficulty: str) -> str:
    """An accuracy among the metrics."""
    return f"{ACCURACY}/{mode}/{difficulty}"


def is_accuracy(name: str) -> bool:
    """Whether a name is that of an accuracy."""
    return name.startswith(f"{ACCURACY}/") and name.count("/") == 2


def smoothed(values: Sequence[float | None], weight: float) -> list[float | None]:
    """An exponential mean: each point keeps `weight` of the mean so far, corrected for its start; gaps stay gaps."""
    mean, total, found = 0.0, 0.0, list[float | None]()
    for value in values:
        if value is None:
            found.append(None)
            continue
        mean, total = weight * mean + (1 - weight) * value, weight * total + (1 - weight)
        found.append(mean / total)
    return found


def interpolated(x: Sequence[float], y: Sequence[float], at: Sequence[float]) -> list[float | None]:
    """y over rising x, on straight lines between its points; None outside of them."""
    found, place = list[float | None](), 0
    for where in at:
        while place < len(x) - 1 and x[place + 1] < where:
            place += 1
        if not x or where < x[0] or where > x[-1]:
            found.append(None)
        elif x[place] == where or place == len(x) - 1:
            found.append(y[place])
        else:
            share = (where - x[place]) / (x[place + 1] - x[place])
            found.append(y[place] + share * (y[place + 1] - y[place]))
    return found
