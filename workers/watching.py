"""Watches what a run reports while it is recorded: collapse monitors and numbers that are not finite raise alarms.

In: batches of events that are recorded. Out: alarms. A fault here is logged and costs no event; only a database that is
away is the recorder's to wait for, and then the batch comes again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from rpt_core.run.events import Event, EventType
from rpt_web.notices import limits, monitors
from rpt_web.notices.models import AlarmKind
from rpt_web.runs.alarms import raise_alarm
from rpt_web.runs.models import Run, StepMetrics
from workers.outages import is_away

NOT_FINITE = " is not finite"
"""In the sentences of stages about such a number."""
FINITE = ("loss", "gradient_norm")
"""Metrics whose null is a number that was not finite."""
logger = logging.getLogger(__name__)


class Watching:
    """The alarms of one attempt's run."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._watch: monitors.RunMonitors | None = None

    def look(self, events: Sequence[Event]) -> None:
        """Look at events whose rows are there."""
        try:
            for event in events:
                self._look_at(event)
        except Exception as error:
            self._watch = None
            if is_away(error):
                raise
            logger.exception("run %s: its alarms cannot be raised", self.run.pk)

    def _look_at(self, event: Event) -> None:
        if event.type == EventType.STARTED:
            self._catch_up(event.data["start_step"])
        elif event.type == EventType.METRICS:
            self._look_at_metrics(event.data["step"], event.data["values"])
        elif event.type == EventType.LOG and event.data.get("level") == "warning":
            message = str(event.data.get("message", ""))
            if NOT_FINITE in message:
                raise_alarm(self.run, AlarmKind.NOT_FINITE, f"warning:{event.seq}", message)

    def _look_at_metrics(self, step: int, values: monitors.Values) -> None:
        for name in FINITE:
            if name in values and values[name] is None:
                words = f"{name} is not finite at step {step}. Look at the step's batch and at the learning rate."
                key = f"not_finite:{name}:{self.run.attempt}"
                raise_alarm(self.run, AlarmKind.NOT_FINITE, key, words, step=step, metric=name)
        if monitors.WATCHED.isdisjoint(values):
            return
        if self._watch is None:
            self._catch_up(step - 1)
        assert self._watch is not None
        self._raise(self._watch.feed(step, values))

    def _catch_up(self, step: int) -> None:
        """Begin after a step: with the first steps of the run, and the last ones until there."""
        rows = StepMetrics.objects.filter(run=self.run, step__lte=step).values_list("step", "values")
        rules = limits.rules_for(self.run.experiment.team_id)
        last = list(rows.order_by("-step")[: 2 * max(rule.steps for rule in rules)])[::-1]
        first = rows.filter(step__lt=last[0][0]).order_by("step")[: monitors.START_STEPS] if last else ()
        self._watch = monitors.RunMonitors(rules)
        self._raise(self._watch.catch_up(first, last))

    def _raise(self, crossings: Iterable[monitors.Crossing]) -> None:
        for found in crossings:
            raise_alarm(
                self.run,
                found.rule.kind,
                found.key,
                found.text,
                step=found.step,
                metric=found.rule.metric,
                value=found.value,
                limit=found.limit,
            )
