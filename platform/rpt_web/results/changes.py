"""Accuracies and differences over several evaluations with their 95 % intervals, as a worker has stored them.

In: rows of `Evaluation`. Out: a `Change`, or the `Estimate` of a mean over seeds. Nothing is computed here but values:
`workers.intervals` computes the intervals when evaluations have arrived. One that is not there yet is said to come.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean

from rpt_core.run.tables import Estimate
from rpt_web.numbers import signed_points
from rpt_web.results.models import Evaluation, Interval

PENDING = "its interval is being computed"
Pair = tuple[Evaluation, Evaluation]
"""Before and after: the difference is the second less the first."""


@dataclass(frozen=True)
class Change:
    """A value over several evaluations, and how its interval was found."""

    estimate: Estimate
    how: str
    alike: str = "positions"
    """What agrees where there is no interval."""

    @property
    def words(self) -> str:
        """The interval of a difference, and how it was found."""
        low, high = self.estimate.low, self.estimate.high
        if self.how == PENDING:
            return PENDING
        if low is None or high is None:
            return f"no interval: the {self.alike} agree"
        return f"{signed_points(low)} to {signed_points(high)} (95\u00a0%), {self.how}"


class Intervals:
    """The stored intervals of one experiment."""

    def __init__(self, rows: Iterable[Interval] = ()) -> None:
        self._rows = {(row.kind, tuple(row.evaluations)): row for row in rows}

    def mean(self, rows: Sequence[Evaluation]) -> Change:
        """Of one evaluation for each seed."""
        return self._found(Interval.MEAN, rows, mean(row.value for row in rows), "seeds")

    def change(self, pairs: Sequence[Pair]) -> Change:
        """Of one pair, or of one for each seed."""
        rows = [row for pair in pairs for row in pair]
        value = mean(after.value - before.value for before, after in pairs)
        return self._found(Interval.CHANGE, rows, value, "positions" if len(pairs) == 1 else "seeds")

    def _found(self, kind: str, rows: Sequence[Evaluation], value: float, alike: str) -> Change:
        row = self._rows.get((kind, tuple(row.pk for row in rows)))
        if row is None:
            return self._missing(kind, rows, value, alike)
        return Change(Estimate(row.value, row.low, row.high, row.n), row.how, alike)

    def _missing(self, kind: str, rows: Sequence[Evaluation], value: float, alike: str) -> Change:
        return Change(Estimate(value, None, None, None), PENDING, alike)
