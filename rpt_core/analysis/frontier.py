"""Hybrid thinking: think only where the policy's own standard entropy is above tau (the future work of the paper).

In: for each position the entropy of the policy's next-token distribution without thinking, whether its argmax is right,
how right it is when it thinks, and what thinking costs. Out: accuracy and tokens per position over all tau, the best
tau, and what it gains, fairly told. numpy only.

Tokens: a position without thinking costs 1 (the argmax, whose distribution also gives the entropy); one with thinking
costs its response tokens. Reading the context is not counted: both need it.

A tau chosen on the very positions it is judged on looks better than it is. So documents are split into two halves by a
hash; each half's tau is chosen on the other one (cross-fitting), and gains are told of these. Their intervals resample
documents with both taus held fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rpt_core.run.tables import Estimate
from rpt_core.seeds import derive_seed
from rpt_core.statistics.intervals import mean_interval
from rpt_core.statistics.paired import RESAMPLES, mean_difference

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
STANDARD_TOKENS = 1.0
"""Tokens of an answer without thinking."""


@dataclass(frozen=True)
class Choices:
    """What a policy can do at each position. All arrays have one value for each."""

    entropies: Values
    """Nats, without thinking."""
    standard: Values
    """1 where the argmax is right, else 0."""
    thinking: Values
    """How right it is when it thinks, 0 to 1."""
    tokens: Values
    """Tokens of a response that thinks."""
    documents: Sequence[str]
    samples: int = 1
    """Responses behind each value of `thinking`."""

    def __len__(self) -> int:
        return len(self.entropies)

    def at(self, chosen: Flags) -> Choices:
        """The chosen positions only."""
        return Choices(
            self.entropies[chosen],
            self.standard[chosen],
            self.thinking[chosen],
            self.tokens[chosen],
            [document for document, is_chosen in zip(self.documents, chosen, strict=True) if is_chosen],
            self.samples,
        )

    def correctness(self, thinks: Flags) -> Values:
        """How right each position is when the policy thinks at these."""
        return np.where(thinks, self.thinking, self.standard)

    def cost(self, thinks: Flags) -> Values:
        """Tokens at each position."""
        return np.where(thinks, self.tokens, STANDARD_TOKENS)

    def accuracy(self, thinks: Flags) -> Estimate:
        """Accuracy with its 95 % interval."""
        values = self.correctness(thinks).tolist()
        low, high = mean_interval(values, self.samples)
        return Estimate(sum(values) / len(values), low, high, len(values))


@dataclass(frozen=True)
class Frontier:
    """Accuracy and mean tokens over all tau, from never thinking (tau = inf) to always (-inf)."""

    taus: Values
    """Half-way between neighbouring entropies."""
    shares: Values
    """Share of the positions where the policy thinks."""
    accuracy: Values
    tokens: Values

    def best(self) -> int:
        """Index of the highest accuracy; of equal ones the cheapest."""
        rounded = np.round(self.accuracy, 12)  # sums in another order are equal all the same
        return min(np.flatnonzero(rounded == rounded.max()).tolist(), key=lambda index: self.tokens[index])


@dataclass(frozen=True)
class CrossFitted:
    """A tau for each half of the positions, chosen on the other half."""

    taus: tuple[float, float]
    thinks: Flags
    accuracy: Estimate
    tokens: float
    over_always: Estimate
    """Accuracy minus that of always thinking, with its interval."""
    over_never: Estimate
    """Accuracy minus that of never thinking, with its interval."""


def frontier(choices: Choices) -> Frontier:
    """All points that a tau can reach. Positions of equal entropy think together. Needs at least one position."""
    order = np.argsort(-choices.entropies, kind="stable")
    entropies = choices.entropies[order]
    ends = np.flatnonzero(np.diff(entropies) < 0) + 1  # after how many positions a tau fits in
    middles = (entropies[ends - 1] + entropies[ends]) / 2
    thinking = np.concatenate([[0], ends, [len(order)]])  # positions that think
    gain = (choices.thinking - choices.standard)[order]
    cost = choices.tokens[order] - STANDARD_TOKENS
    n = len(order)
    return Frontier(
        np.concatenate([[np.inf], middles, [-np.inf]]),
        thinking / n,
        (choices.standard.sum() + _sums(gain)[thinking]) / n,
        STANDARD_TOKENS + _sums(cost)[thinking] / n,
    )


def cross_fitted(choices: Choices, seed: int, resamples: int = RESAMPLES) -> CrossFitted | None:
    """Choose tau on one half of the documents, apply it to the other, both ways; None with fewer than two documents."""
    chosen = held_out_choice(choices, seed)
    if chosen is None:
        return None
    taus, thinks = chosen
    found = choices.correctness(thinks)
    return CrossFitted(
        taus=taus,
        thinks=thinks,
        accuracy=choices.accuracy(thinks),
        tokens=float(choices.cost(thinks).mean()),
        over_always=mean_difference(choices.thinking, found, seed, choices.documents, resamples),
        over_never=mean_difference(choices.standard, found, seed, choices.documents, resamples),
    )


def held_out_choice(choices: Choices, seed: int) -> tuple[tuple[float, float], Flags] | None:
    """The tau of each half of the documents, chosen on the other one, and where the policy thinks with these."""
    second = second_half(choices.documents, seed)
    if second.all() or not second.any():
        return None
    tau_of_first, tau_of_second = (_best_tau(choices.at(half)) for half in (second, ~second))
    return (tau_of_first, tau_of_second), choices.entropies > np.where(second, tau_of_second, tau_of_first)


def second_half(documents: Sequence[str], seed: int) -> Flags:
    """Which positions belong to the second half: documents in the order of a hash, each to the half that has less."""
    counts: dict[str, int] = {}
    for document in documents:
        counts[document] = counts.get(document, 0) + 1
    sizes, half_of = [0, 0], {}
    for document in sorted(counts, key=lambda name: (derive_seed(seed, "half", name), name)):
        half_of[document] = int(sizes[1] < sizes[0])
        sizes[half_of[document]] += counts[document]
    return np.array([half_of[document] == 1 for document in documents], dtype=np.bool_)


def tokens_to_match(points: Frontier, accuracy: float) -> float | None:
    """Fewest tokens per position that reach an accuracy; None when no point does."""
    reached = points.tokens[np.round(points.accuracy, 12) >= round(accuracy, 12)]
    return float(reached.min()) if len(reached) else None


def _best_tau(choices: Choices) -> float:
    points = frontier(choices)
    return float(points.taus[points.best()])


def _sums(values: Values) -> Values:
    """Sums of the first 0, 1, 2, ... values."""
    return np.concatenate([[0.0], np.cumsum(values)])
