"""By how much a row of a leaderboard is above the board's baseline, with what is known of its interval.

In: the two rows, the difference that `workers.leads` has stored. Out: a `Lead`, the same on pages and in files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rpt_core.config import DIFFICULTIES
from rpt_web.numbers import signed_points
from rpt_web.results.board import Board, BoardRow
from rpt_web.results.changes import PENDING
from rpt_web.results.models import BaselineLead, Standing

NOT_PINNED = "pin the baseline to have the interval computed"
_SAME = 1e-9
"""A stored difference that is further from that of the rows is one of older results."""
StoredLeads = Mapping[tuple[int, str], BaselineLead]
"""By row and difficulty."""


@dataclass(frozen=True)
class Lead:
    """A difference of two accuracies."""

    value: float
    low: float | None
    high: float | None
    n: int | None
    how: str
    """How the interval was found, or why there is none."""

    @property
    def words(self) -> str:
        """The interval and how it was found."""
        if self.low is None:
            return self.how
        return f"{signed_points(self.low)} to {signed_points(self.high)}, {self.how}"


def leads_of_row(row: BoardRow, board: Board, stored: StoredLeads, *, is_pinned: bool) -> dict[str, Lead]:
    """By difficulty; nothing for the baseline itself and for rows that must not be compared with it."""
    baseline = board.baseline
    if baseline is None or baseline.pk == row.standing.pk or row.reasons:
        return {}
    levels = [level for level in DIFFICULTIES if level in row.standing.cells and level in baseline.cells]
    return {
        level: _lead(row.standing, baseline, level, stored.get((row.standing.pk, level)), is_pinned=is_pinned)
        for level in levels
    }


def _lead(row: Standing, baseline: Standing, level: str, stored: BaselineLead | None, *, is_pinned: bool) -> Lead:
    value = row.cells[level]["value"] - baseline.cells[level]["value"]
    if stored is None or abs(stored.value - value) > _SAME:
        return Lead(value, None, None, None, PENDING if is_pinned else NOT_PINNED)
    is_said = stored.low is not None or stored.how.startswith("no interval")
    return Lead(value, stored.low, stored.high, stored.n, stored.how if is_said else "no interval: all alike")
