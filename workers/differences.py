"""By how much one evaluation is above another, from what was found at each position.

In: pairs of evaluations, and their outcomes on disk. Out: a `Change`. A difference of two is paired by document and
byte offset where both have the same positions on disk; else it is that of independent samples. Over several seeds it
is Student's t.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rpt_core.run.folder import RunDir
from rpt_core.run.tables import Estimate
from rpt_core.statistics.intervals import difference_interval
from rpt_core.statistics.seeds import DIFFERENCES, across_seeds
from rpt_web.results.changes import Change, Pair
from rpt_web.results.models import Evaluation

PAIRED, UNPAIRED = "paired by position", "unpaired (Newcombe)"
Place = tuple[str, int]


def difference(pairs: Sequence[Pair]) -> Change:
    """By how much the second of a pair is above the first, or the mean of that over seeds."""
    if len(pairs) == 1:
        return _of_one(*pairs[0])
    found = over_seeds([after.value - before.value for before, after in pairs], DIFFERENCES)
    return Change(found, f"Student's t over {len(pairs)} seeds", "seeds")


def over_seeds(values: Sequence[float], bounds: tuple[float, float]) -> Estimate:
    """The mean of one value for each seed, its interval within bounds."""
    found = across_seeds(values, bounds)
    assert found is not None
    return found


def _of_one(a: Evaluation, b: Evaluation) -> Change:
    """b minus a: paired when the outcomes of both are at the same positions, else as of independent samples."""
    before, after = _outcomes(a), _outcomes(b)
    if len(before) == a.n == b.n and before.keys() == after.keys():
        from rpt_core.statistics.paired import mean_difference  # numpy, which most processes do without

        matched = [after[place] for place in before]
        return Change(mean_difference(list(before.values()), matched, a.run.seed), PAIRED)
    low, high = difference_interval(a.value, (a.low, a.high), b.value, (b.low, b.high))
    return Change(Estimate(b.value - a.value, low, high, min(a.n, b.n)), UNPAIRED)


def _outcomes(row: Evaluation) -> dict[Place, float]:
    """How right each position of the row's difficulty is, 0 to 1; empty when the file is gone or is another one."""
    rows = columns(row, "document", "byte_offset", row.difficulty, row.mode)
    return {
        (document, offset): float(value) for document, offset, inside, value in rows if inside and value is not None
    }


def columns(row: Evaluation, *names: str) -> list[tuple[Any, ...]]:
    """These columns of the outcomes on disk, position by position; empty when they cannot be read."""
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(RunDir(row.run.directory).evaluation(row.step), columns=list(names))
        return list(zip(*(table.column(name).to_pylist() for name in names), strict=True))
    except (OSError, KeyError, ValueError):  # pyarrow's errors are ValueErrors
        return []
