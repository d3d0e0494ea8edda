"""What the exhibits of one answer read of runs: each thing once, however many of them show it.

In: runs. Out: their metrics, evaluations and sources. One answer makes a `ReadOnce` and throws it away: nothing in it
is shown later, or to anybody else.
"""

from __future__ import annotations

from collections.abc import Iterable

from rpt_web.exhibits.sources import RunSource, sources_of
from rpt_web.results.models import Evaluation
from rpt_web.results.queries import accuracy_by_step
from rpt_web.runs.models import Run
from rpt_web.runs.queries import MetricSeries, metric_series


class ReadOnce:
    """Runs as one answer reads them."""

    def __init__(self) -> None:
        self._series: dict[int, MetricSeries] = {}
        self._accuracy: dict[int, dict[tuple[str, str], list[Evaluation]]] = {}
        self._sources: dict[int, RunSource] = {}

    def series(self, run: Run) -> MetricSeries:
        """A run's metrics (2 or 3 queries the first time)."""
        if run.pk not in self._series:
            self._series[run.pk] = metric_series(run)
        return self._series[run.pk]

    def accuracy(self, run: Run) -> dict[tuple[str, str], list[Evaluation]]:
        """A run's evaluations by mode and difficulty (1 query the first time)."""
        if run.pk not in self._accuracy:
            self._accuracy[run.pk] = accuracy_by_step(run)
        return self._accuracy[run.pk]

    def sources(self, runs: Iterable[Run]) -> list[RunSource]:
        """What an exhibit of these runs came from: each once, by their numbers (3 queries where one is new)."""
        found = {run.pk: run for run in runs}
        new = [run for key, run in found.items() if key not in self._sources]
        if new:
            self._sources |= {source.run: source for source in sources_of(new)}
        return [self._sources[key] for key in sorted(found)]

    def source(self, run: Run) -> list[RunSource]:
        """The same of one run."""
        return self.sources([run])
