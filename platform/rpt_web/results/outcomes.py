"""The positions behind an accuracy: what an evaluation found at each, as the run's folder has it.

In: a run, a step, and what the address asks for: a mode, a difficulty, right or wrong; for hybrid thinking tau, above
which entropy the policy thinks. Out: a row for each position, in the order of the file, and what they come to. The same
positions as in `rpt_core.analysis.frontier`: the values are those of the tables.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from rpt_core.arrays import Flags
from rpt_core.config import DIFFICULTIES, Mode
from rpt_core.errors import UserError
from rpt_core.evaluation.outcomes import Outcomes, read_outcomes
from rpt_core.run.folder import RunDir
from rpt_core.run.tables import Estimate
from rpt_core.statistics.intervals import mean_interval
from rpt_web.runs.models import Run

MODES: tuple[Mode, ...] = ("standard", "sampled", "greedy")
ALL = "all"
"""All positions of the evaluation, whatever their difficulty; questions have no other level."""
SIDES = {"": "all", "1": "right", "0": "wrong"}
THINKS = {"1": "thinks", "0": "does not think"}


@dataclass(frozen=True)
class OutcomeFilters:
    """Which positions are wanted, and in which mode."""

    mode: Mode
    difficulty: str
    domain: str | None = None
    right: str = ""
    tau: float | None = None
    """Nats; the policy thinks only where its own entropy without thinking is higher. None: by the mode."""
    thinks: str = ""

    @classmethod
    def from_query(cls, outcomes: Outcomes, query: Mapping[str, str]) -> Self:
        """As an address has them; what the evaluation has not is left out, and it is its hardest level."""
        modes, levels = modes_of(outcomes), levels_of(outcomes)
        level = query.get("difficulty", "")
        chosen = next((known for known in modes if known == query.get("mode")), modes[0])
        tau = _number(query.get("tau", ""))
        can_choose = "standard" in modes and chosen != "standard" and outcomes.standard_entropy_nats is not None
        right, thinks = query.get("right", ""), query.get("thinks", "")
        return cls(
            chosen,
            level if level in levels else levels[max(len(levels) - 2, 0)],
            query.get("domain"),
            right if right in SIDES else "",
            tau if can_choose else None,
            thinks if can_choose and tau is not None and thinks in THINKS else "",
        )


@dataclass(frozen=True)
class FoundOutcome:
    """What an evaluation found at a position."""

    place: int
    """In the file, from 0."""
    document: str
    byte_offset: int
    domain: str
    entropy_nats: float
    next_token: bytes
    prediction: bytes | None
    value: float
    """How right, 0 to 1."""
    is_right: bool
    """Several responses decide by their majority."""
    thinks: bool


@dataclass(frozen=True)
class FoundOutcomes:
    """The positions of a level, in a mode."""

    outcomes: Outcomes
    filters: OutcomeFilters
    chosen: Flags
    """(positions,): those of the level, right or wrong."""
    thinks: Flags
    right: Flags
    values: np.ndarray[tuple[int], np.dtype[np.float64]]

    @property
    def accuracy(self) -> Estimate | None:
        """Of the level's positions, with its 95 % interval over positions; None without any."""
        values = self.values[self.chosen].tolist()
        if not values:
            return None
        samples = (self.outcomes.samples or 1) if self.filters.mode == "sampled" else 1
        return Estimate(sum(values) / len(values), *mean_interval(values, samples), len(values))

    def count(self, right: str) -> int:
        """How many are right ("1"), wrong ("0"), or both ("")."""
        return int(self._side(right).sum())

    def thinking(self, thinks: str) -> int:
        """At how many positions of the level it thinks ("1") or does not ("0")."""
        level = _level(self.outcomes, self.filters)
        return int((level & (self.thinks if thinks == "1" else ~self.thinks)).sum())

    def rows(self, after: int | None, limit: int) -> list[FoundOutcome]:
        """Those that the filters keep, after a place, at most so many."""
        places = np.flatnonzero(self._side(self.filters.right))
        first = 0 if after is None else int(np.searchsorted(places, after, "right"))
        return [self._row(place) for place in places[first : first + limit].tolist()]

    def _side(self, right: str) -> Flags:
        return self.chosen & (self.right == (right == "1")) if right else self.chosen

    def _row(self, place: int) -> FoundOutcome:
        outcomes, thinks = self.outcomes, bool(self.thinks[place])
        return FoundOutcome(
            place,
            outcomes.document[place],
            int(outcomes.byte_offset[place]),
            outcomes.domain[place] or "",
            float(outcomes.entropy_nats[place]),
            outcomes.next_token[place],
            outcomes.predictions[self.filters.mode if thinks else "standard"][place],
            float(self.values[place]),
            bool(self.right[place]),
            thinks,
        )


def outcomes_of(run: Run, step: int) -> Outcomes:
    """What the run's evaluation at a step found. Raises UserError where its file is gone or cannot be read."""
    try:
        return read_outcomes(RunDir(run.directory).evaluation(step))
    except (UserError, OSError):
        raise UserError(
            f"What run {run.pk} found at each position at step {step} is not in its folder, or cannot be read. Its "
            "page has the accuracies; evaluate the checkpoint again for the positions."
        ) from None


def found_outcomes(outcomes: Outcomes, filters: OutcomeFilters) -> FoundOutcomes:
    """The positions that the filters ask for, right or wrong."""
    thinks = _thinks(outcomes, filters)
    values, right = outcomes.correctness(filters.mode), outcomes.right(filters.mode)
    if not thinks.all() and filters.mode != "standard":
        values = np.where(thinks, values, outcomes.correctness("standard"))
        right = np.where(thinks, right, outcomes.right("standard"))
    chosen = _level(outcomes, filters)
    if filters.thinks:
        chosen = chosen & (thinks if filters.thinks == "1" else ~thinks)
    return FoundOutcomes(outcomes, filters, chosen, thinks, right, values)


def modes_of(outcomes: Outcomes) -> list[Mode]:
    """Those that were evaluated."""
    return [mode for mode in MODES if getattr(outcomes, mode) is not None]


def levels_of(outcomes: Outcomes) -> Sequence[str]:
    """The difficulties that have positions, and ALL."""
    return [*(name for name in DIFFICULTIES if outcomes.members[name].any()), ALL]


def _level(outcomes: Outcomes, filters: OutcomeFilters) -> Flags:
    level = np.ones(len(outcomes), np.bool_) if filters.difficulty == ALL else outcomes.members[filters.difficulty]
    if filters.domain is None:
        return level
    found: Flags = level & (outcomes.domain == filters.domain)
    return found


def _thinks(outcomes: Outcomes, filters: OutcomeFilters) -> Flags:
    if filters.tau is None or outcomes.standard_entropy_nats is None:
        return np.full(len(outcomes), filters.mode != "standard")
    return outcomes.standard_entropy_nats > filters.tau


def _number(text: str) -> float | None:
    try:
        found = float(text) if len(text) < 30 else math.nan
    except ValueError:
        return None
    return found if math.isfinite(found) else None
