"""The positions behind an accuracy: what an evaluation found at each, as the run's folder has it.

In: a run, a step, and what the address asks for: a mode, a difficulty, right or wrong, with and without thinking; for
hybrid thinking tau, above which entropy the policy thinks, or the seed by which the documents were halved, each half
with the tau that is best on the other one. Out: a row for each position, in the order of the file, and what they come
to. The same positions as in `rpt_core.analysis.frontier`: the values are those of the tables.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from rpt_core.analysis.frontier import held_out_choice
from rpt_core.analysis.frontier_tables import choices_of
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
UNTHOUGHT = {"1": "right without thinking", "0": "wrong without thinking"}
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
    held_out: int | None = None
    """The seed of the halves; of the two, tau counts."""
    thinks: str = ""
    standard: str = ""
    """Whether the standard answer is right; "" for both."""

    @property
    def is_hybrid(self) -> bool:
        """Whether the policy thinks at some positions alone."""
        return self.tau is not None or self.held_out is not None

    @classmethod
    def from_query(cls, outcomes: Outcomes, query: Mapping[str, str]) -> Self:
        """As an address has them; what the evaluation has not is left out, and it is its hardest level."""
        modes, levels = modes_of(outcomes), levels_of(outcomes)
        level = query.get("difficulty", "")
        chosen = next((known for known in modes if known == query.get("mode")), modes[0])
        has_both = "standard" in modes and chosen != "standard"
        can_choose = has_both and outcomes.standard_entropy_nats is not None
        tau = _number(query.get("tau", "")) if can_choose else None
        costs = outcomes.tokens if chosen == "sampled" else outcomes.greedy_tokens
        is_told = can_choose and tau is None and costs is not None
        held_out = _seed(query.get("held_out", "")) if is_told else None
        right, thinks, standard = (query.get(name, "") for name in ("right", "thinks", "standard"))
        return cls(
            chosen,
            level if level in levels else levels[max(len(levels) - 2, 0)],
            query.get("domain"),
            right if right in SIDES else "",
            tau,
            held_out,
            thinks if (tau is not None or held_out is not None) and thinks in THINKS else "",
            standard if has_both and standard in UNTHOUGHT else "",
        )


@dataclass(frozen=True)
class FoundOutcome:
    """What an evaluation found at a position."""

    place: int
    """In the file, from 0."""
    document: str
    byte_offset: int
    text_hash: bytes | None
    """What the document's text is known by; None where the file is of a version that did not store it."""
    domain: str
    entropy_nats: float | None
    """None for a question."""
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
    taus: Sequence[float] = ()
    """Of the two halves, where each has its own."""

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

    def unthought(self, standard: str) -> int:
        """At how many positions that the other filters keep the standard answer is right ("1") or wrong ("0")."""
        kept = _kept(self.outcomes, replace(self.filters, standard=""), self.thinks)
        right = self.outcomes.right("standard") == (standard == "1")
        return int((self._side(self.filters.right, kept) & right).sum())

    def rows(self, after: int | None, limit: int) -> list[FoundOutcome]:
        """Those that the filters keep, after a place, at most so many."""
        places = np.flatnonzero(self._side(self.filters.right))
        first = 0 if after is None else int(np.searchsorted(places, after, "right"))
        return [self._row(place) for place in places[first : first + limit].tolist()]

    def _side(self, right: str, chosen: Flags | None = None) -> Flags:
        of = self.chosen if chosen is None else chosen
        return of & (self.right == (right == "1")) if right else of

    def _row(self, place: int) -> FoundOutcome:
        outcomes, thinks = self.outcomes, bool(self.thinks[place])
        entropy = float(outcomes.entropy_nats[place])
        return FoundOutcome(
            place,
            outcomes.document[place],
            int(outcomes.byte_offset[place]),
            outcomes.text_hash[place],
            outcomes.domain[place] or "",
            None if math.isnan(entropy) else entropy,
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
    taus, thinks = _thinks(outcomes, filters)
    values, right = outcomes.correctness(filters.mode), outcomes.right(filters.mode)
    if not thinks.all() and filters.mode != "standard":
        values = np.where(thinks, values, outcomes.correctness("standard"))
        right = np.where(thinks, right, outcomes.right("standard"))
    return FoundOutcomes(outcomes, filters, _kept(outcomes, filters, thinks), thinks, right, values, taus)


def modes_of(outcomes: Outcomes) -> list[Mode]:
    """Those that were evaluated."""
    return [mode for mode in MODES if getattr(outcomes, mode) is not None]


def levels_of(outcomes: Outcomes) -> Sequence[str]:
    """The difficulties that have positions, and ALL."""
    return [*(name for name in DIFFICULTIES if outcomes.members[name].any()), ALL]


def _kept(outcomes: Outcomes, filters: OutcomeFilters, thinks: Flags) -> Flags:
    """Those that are asked for, right or wrong in the mode."""
    chosen = _level(outcomes, filters)
    if filters.thinks:
        chosen = chosen & (thinks if filters.thinks == "1" else ~thinks)
    if filters.standard:
        chosen = chosen & (outcomes.right("standard") == (filters.standard == "1"))
    return chosen


def _of_difficulty(outcomes: Outcomes, filters: OutcomeFilters) -> Flags:
    return np.ones(len(outcomes), np.bool_) if filters.difficulty == ALL else outcomes.members[filters.difficulty]


def _level(outcomes: Outcomes, filters: OutcomeFilters) -> Flags:
    level = _of_difficulty(outcomes, filters)
    if filters.domain is None:
        return level
    found: Flags = level & (outcomes.domain == filters.domain)
    return found


def _thinks(outcomes: Outcomes, filters: OutcomeFilters) -> tuple[Sequence[float], Flags]:
    """Where the policy thinks, and the taus of the halves where each has its own."""
    if filters.tau is not None and outcomes.standard_entropy_nats is not None:
        return (), outcomes.standard_entropy_nats > filters.tau
    always = np.full(len(outcomes), filters.mode != "standard")
    if filters.held_out is None:
        return (), always
    level = _of_difficulty(outcomes, filters)
    found = held_out_choice(choices_of(outcomes.at(level), filters.mode), filters.held_out)
    if found is None:  # one document alone has no halves
        return (), always
    taus, thinks = found
    always[level] = thinks
    return taus, always


def _seed(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


def _number(text: str) -> float | None:
    try:
        found = float(text) if len(text) < 30 else math.nan
    except ValueError:
        return None
    return found if math.isfinite(found) else None
