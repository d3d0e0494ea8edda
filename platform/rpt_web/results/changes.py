"""The difference of two accuracies with its 95 % interval: by position where the outcomes of both are on disk.

In: two rows of `Evaluation`. Out: a `Change`, b minus a. Positions are matched by document and byte offset.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow.parquet as pq

from rpt_core.analysis.paired import mean_difference
from rpt_core.analysis.statistics import difference_interval
from rpt_core.result_tables import Estimate
from rpt_core.run_dir import RunDir
from rpt_web.results.models import Evaluation
from rpt_web.runs.templatetags import show

PAIRED, UNPAIRED = "paired by position", "unpaired (Newcombe)"
Place = tuple[str, int]


@dataclass(frozen=True)
class Change:
    """A difference of accuracies, and how its interval was found."""

    estimate: Estimate
    how: str
    alike: str = "positions"
    """What is all alike where there is no interval."""

    @property
    def words(self) -> str:
        """The interval, and how it was found."""
        low, high = self.estimate.low, self.estimate.high
        if low is None or high is None:
            return f"no interval: the {self.alike} are alike"
        return f"{show.signed_points(low)} to {show.signed_points(high)} (95\u00a0%), {self.how}"


def change(a: Evaluation, b: Evaluation) -> Change:
    """b minus a: paired when the outcomes of both are at the same positions, else as of independent samples."""
    before, after = _outcomes(a), _outcomes(b)
    if len(before) == a.n == b.n and before.keys() == after.keys():
        matched = [after[place] for place in before]
        return Change(mean_difference(list(before.values()), matched, a.run.seed), PAIRED)
    low, high = difference_interval(a.value, (a.low, a.high), b.value, (b.low, b.high))
    return Change(Estimate(b.value - a.value, low, high, min(a.n, b.n)), UNPAIRED)


def _outcomes(row: Evaluation) -> dict[Place, float]:
    """How right each position of the row's difficulty is, 0 to 1; empty when the file is gone or is another one."""
    columns = ["document", "byte_offset", row.difficulty, row.mode]
    try:
        table = pq.read_table(RunDir(row.run.directory).evaluation(row.step), columns=columns)
        data = [table.column(name).to_pylist() for name in columns]
    except (OSError, KeyError, ValueError):  # pyarrow's errors are ValueErrors
        return {}
    rows = zip(*data, strict=True)
    return {
        (document, offset): float(value) for document, offset, inside, value in rows if inside and value is not None
    }
