"""When queued runs will start, and they and running ones end, as far as that can be said.

In: the runs of a page. Out: seconds from now, typical and at most, or nothing. A running run is expected to end at its
own pace. A queued one takes as long as runs like it took (same team, stage, model and number of steps): their median is
typical, the longest of them the most. What is behind a run of which nothing is known has no known start either. As
many are taken to run side by side as run now, or as there are nodes that listen.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Any

from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from rpt_core.words import about
from rpt_web.runs import display, places, queries
from rpt_web.runs.models import Listener, Run, Status
from rpt_web.runs.queues import SILENT_SECONDS

REMEMBERED = 400
"""Ended runs that are looked at, the newest."""
_KEY = ("experiment__team", "stage", "config__model__path", "config__steps")
_LONG = ("config", "plan", "result", "error", "log_tail")
_LATEST = """
SELECT run.id, extract(epoch FROM max(metrics.time) - min(metrics.time)) / (max(metrics.step) - min(metrics.step))
FROM runs_run AS run CROSS JOIN LATERAL (
    SELECT step, time FROM runs_stepmetrics
    WHERE run_id = run.id AND time >= run.started_at ORDER BY step DESC LIMIT %(points)s
) AS metrics
WHERE run.id = ANY(%(runs)s) GROUP BY run.id HAVING max(metrics.step) > min(metrics.step)
"""
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Stretch:
    """Seconds, as they usually are and at most; None where it is not known."""

    typical: float | None = None
    most: float | None = None


UNKNOWN = Stretch()


def in_words(what: str, stretch: Stretch) -> str:
    """ "starts in about 12 min, about 30 min at most"; says so when it is not known."""
    if stretch.typical is None:
        return f"{what} unknown"
    if not stretch.typical:
        return f"{what}s when a worker is free"
    most = "" if stretch.most is None else f", {about(stretch.most)} at most"
    return f"{what}s in {about(stretch.typical)}{most}"


@dataclass(frozen=True)
class Expected:
    """Of one run, from now on."""

    start: Stretch
    end: Stretch


def expected(runs: Sequence[Run]) -> dict[int, Expected]:
    """Of the queued and running ones among these (6 queries)."""
    left = _left([run for run in runs if run.status == Status.RUNNING])
    found = {key: Expected(Stretch(0, 0), stretch) for key, stretch in left.items()}
    queues = {run.queue for run in runs if run.status == Status.QUEUED}
    return found | _of_queues(queues) if queues else found


def _of_queues(queues: Collection[str]) -> dict[int, Expected]:
    lanes = _lanes(queues)
    waiting = Run.objects.filter(queue__in=queues, status=Status.QUEUED).order_by("queue", *places.ORDER)
    rows = list(waiting.values_list("queue", "pk", *_KEY))
    durations = _durations({tuple(key) for _, _, *key in rows})
    found: dict[int, Expected] = {}
    for queue in queues:
        here = [(pk, durations.get(tuple(key), UNKNOWN)) for at, pk, *key in rows if at == queue]
        found |= _one_after_another(lanes[queue], here)
    return found


def _one_after_another(lanes: Sequence[Stretch], rows: Iterable[tuple[int, Stretch]]) -> dict[int, Expected]:
    """Runs in their order, each put where first something ends; apart for what is typical and for the most."""
    rows = list(rows)
    typical = _placed([lane.typical for lane in lanes], [lasts.typical for _, lasts in rows])
    most = _placed([lane.most for lane in lanes], [lasts.most for _, lasts in rows])
    return {
        key: Expected(Stretch(start, latest), Stretch(end, last))
        for (key, _), (start, end), (latest, last) in zip(rows, typical, most, strict=True)
    }


def _placed(lanes: Sequence[float | None], lasts: Sequence[float | None]) -> list[tuple[float | None, float | None]]:
    """(start, end) of each; a lane of which nothing is known is taken for one that never becomes free."""
    free = [lane for lane in lanes if lane is not None]
    heapq.heapify(free)
    found: list[tuple[float | None, float | None]] = []
    for seconds in lasts:
        start = heapq.heappop(free) if free else None
        end = None if start is None or seconds is None else start + seconds
        found.append((start, end))
        if end is not None:
            heapq.heappush(free, end)
    return found


def _lanes(queues: Collection[str]) -> dict[str, list[Stretch]]:
    """For each queue: when what runs there ends, and now for each node more that listens."""
    found: dict[str, list[Stretch]] = {queue: [] for queue in queues}
    running = list(Run.objects.filter(queue__in=queues, status=Status.RUNNING).defer(*_LONG).order_by("id"))
    left = _left(running)
    for run in running:
        found[run.queue].append(left[run.pk])
    recently = Now() - timedelta(seconds=SILENT_SECONDS)
    listening = Listener.objects.filter(last_heard__gt=recently, node__drained_at=None, queue__in=queues)
    nodes: dict[str, int] = defaultdict(int)
    for queue in listening.values_list("queue", flat=True):
        nodes[queue] += 1
    for queue, lanes in found.items():
        lanes += [Stretch(0, 0)] * max(0, nodes[queue] - len(lanes))
    return found


def _left(runs: Sequence[Run]) -> dict[int, Stretch]:
    """Until running runs end at their own pace, which tells nothing of the most (1 query)."""
    paces = _paces(runs)
    return {run.pk: Stretch(display.time_left(run.step, run.total_steps, paces.get(run.pk))) for run in runs}


def _paces(runs: Sequence[Run]) -> dict[int, float]:
    """Seconds for each step over the latest metrics of their newest attempts; a first one tells by its start, too."""
    with connection.cursor() as cursor:
        cursor.execute(_LATEST, {"runs": [run.pk for run in runs], "points": queries.PACE_POINTS})
        found = {run: float(seconds) for run, seconds in cursor.fetchall()}
    now = timezone.now()
    for run in runs:
        if run.pk not in found and run.step and run.attempt == 1 and run.started_at is not None:
            found[run.pk] = (now - run.started_at).total_seconds() / run.step
    return found


def _durations(wanted: Collection[Key]) -> Mapping[Key, Stretch]:
    """How long runs like these took, in all attempts."""
    teams, stages = {key[0] for key in wanted}, {key[1] for key in wanted}
    ended = Run.objects.filter(
        status=Status.SUCCEEDED, experiment__team__in=teams, stage__in=stages, time_spent__isnull=False
    )
    found: dict[Key, list[float]] = defaultdict(list)
    newest = ended.order_by(F("finished_at").desc(nulls_last=True)).values("pk")[:REMEMBERED]
    for spent, *key in Run.objects.filter(pk__in=newest).order_by().values_list("time_spent", *_KEY):
        found[tuple(key)].append(spent.total_seconds())
    return {key: Stretch(median(took), max(took)) for key, took in found.items()}
