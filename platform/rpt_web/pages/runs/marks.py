"""What is marked on a run's curves: where it was resumed, saved, evaluated, and where something was wrong.

In: a run. Out: marks by step, the newest of each kind where there are many.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Q

from rpt_web.notices.models import Alarm
from rpt_web.results.figures import plain
from rpt_web.runs.models import Run, RunEvent
from rpt_web.runs.queries import MetricSeries
from rpt_web.traces.inspector import readable

MOST_OF_A_KIND, MOST_EVENTS, LONGEST = 40, 400, 200
KINDS = {
    "resumed": "resumed",
    "checkpoint": "checkpoint",
    "evaluation": "evaluation",
    "warning": "warning",
    "alarm": "alarm",
}
"""Name of a kind, as the style sheet has it too -> its word."""


@dataclass(frozen=True)
class Mark:
    """Something that happened at a step."""

    step: int
    kind: str
    words: str


def marks_of(run: Run, series: MetricSeries) -> dict[str, Any]:
    """For the part with a run's charts (2 queries): the marks as JSON, and which kinds there are."""
    found: Counter[str] = Counter()
    marks = []
    for mark in sorted(
        {*_of_events(run, series), *_of_alarms(run)}, key=lambda mark: (-mark.step, mark.kind, mark.words)
    ):
        found[mark.kind] += 1
        if found[mark.kind] <= MOST_OF_A_KIND:
            marks.append(asdict(mark) | {"words": plain(readable(mark.words))})
    kinds = [(kind, word, min(found[kind], MOST_OF_A_KIND)) for kind, word in KINDS.items() if found[kind]]
    return {"marks": marks, "mark_kinds": kinds}


def _of_events(run: Run, series: MetricSeries) -> Iterator[Mark]:
    told = Q(type__in=("started", "checkpoint", "evaluation")) | Q(type="log", data__level="warning")
    for event in run.events.filter(told).order_by("-seq")[:MOST_EVENTS]:
        if mark := _mark(event, series):
            yield mark


def _mark(event: RunEvent, series: MetricSeries) -> Mark | None:
    if event.type == "log":
        done = bisect_right(series.times, event.time)  # a warning tells no step: that of the metrics before it
        return Mark(series.steps[done - 1] if done else 0, "warning", str(event.data.get("message", ""))[:LONGEST])
    if event.type == "started":
        step, words = int(event.data.get("start_step") or 0), f"Resumed in attempt {event.attempt}"
        return Mark(step, "resumed", f"{words} from step {step:,}") if event.attempt > 1 else None
    step, word = int(event.data.get("step") or 0), KINDS[event.type].capitalize()
    return Mark(step, event.type, f"{word} of step {step:,}")


def _of_alarms(run: Run) -> Iterator[Mark]:
    for alarm in Alarm.objects.filter(run=run.pk, step__isnull=False).order_by("-id")[:MOST_OF_A_KIND]:
        yield Mark(alarm.step or 0, "alarm", alarm.text[:LONGEST])
