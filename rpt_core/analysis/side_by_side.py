"""Many evaluations compared at the same positions: each with the first, and every two with each other.

In: evaluations on common positions (`rpt_core.analysis.aligned`), the first of them the baseline. Out: numbers as plain
dataclasses. Two evaluations are compared at the positions that both have, at each difficulty that has some.

A difference is b minus a. Its intervals are 95 % paired bootstraps over positions, and over documents, whose positions
are not independent; the design effect says how much that widens them. p is McNemar's exact test, or sign flips of the
differences where a value is the mean of several responses, and Holm's correction of it over the comparisons of one
table: those with the baseline, or all pairs of the matrix. Gained and forgotten count positions; several responses
decide by majority.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from rpt_core.analysis.aligned import LENGTHS, TYPES, Aligned, Positions, token_length, token_type
from rpt_core.arrays import Indices
from rpt_core.run.tables import Estimate
from rpt_core.statistics.clusters import design_effect
from rpt_core.statistics.intervals import mean_interval, wilson_interval
from rpt_core.statistics.multiple import holm
from rpt_core.statistics.paired import mean_difference, sign_flip_p, two_by_two

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class LevelAccuracy:
    """How right an evaluation is at one difficulty."""

    value: float
    low: float
    high: float
    """Wilson's, positions taken as independent."""
    n: int
    documents: int
    effect: float | None
    """The design effect of documents; None where it cannot be told."""
    document_low: float
    document_high: float
    """Wilson's with the effective number of positions."""
    tokens: float | None
    """Of a response, on average."""


@dataclass(frozen=True)
class PairedDifference:
    """Two evaluations at the positions of one difficulty that both have."""

    n: int
    documents: int
    a: float
    b: float
    value: float
    low: float | None
    high: float | None
    document_low: float | None
    document_high: float | None
    effect: float | None
    p: float
    test: str
    both: int
    gained: int
    """b is right and a is not."""
    forgotten: int
    neither: int
    holm: float | None = None


@dataclass(frozen=True)
class PairSlice:
    """A part of the positions of one difficulty."""

    name: str
    n: int
    a: float
    b: float
    value: float
    low: float | None
    high: float | None
    """Documents are resampled."""
    gained: int
    forgotten: int


@dataclass(frozen=True)
class MatchedPair:
    """Two evaluations at the positions that both have: rows of each."""

    a: Aligned
    b: Aligned
    rows_a: Indices
    rows_b: Indices

    @property
    def left_out(self) -> int:
        """Positions that only one of them has."""
        return len(self.a.place) + len(self.b.place) - 2 * len(self.rows_a)

    def other_texts(self, positions: Positions) -> int:
        """Names (document and byte) that both have, but for positions of other texts."""
        alone = [
            {positions.name(place) for place in np.setdiff1d(one.place, other.place, assume_unique=True).tolist()}
            for one, other in ((self.a, self.b), (self.b, self.a))
        ]
        return len(alone[0] & alone[1])

    def levels(self) -> dict[str, MatchedPair]:
        """The same at each difficulty that both have positions of."""
        found = {}
        for name in self.a.members:
            if name not in self.b.members:
                continue
            flags = self.a.members[name][self.rows_a] & self.b.members[name][self.rows_b]
            if flags.any():
                found[name] = replace(self, rows_a=self.rows_a[flags], rows_b=self.rows_b[flags])
        return found

    def places(self) -> list[int]:
        """Of their positions."""
        found: list[int] = self.a.place[self.rows_a].tolist()
        return found


def match(a: Aligned, b: Aligned) -> MatchedPair:
    """The positions that both have; there may be none."""
    _, rows_a, rows_b = np.intersect1d(a.place, b.place, assume_unique=True, return_indices=True)
    return MatchedPair(a, b, rows_a, rows_b)


def accuracy(one: Aligned, level: str, positions: Positions) -> LevelAccuracy:
    """At one difficulty of which it has positions."""
    flags = one.members[level]
    values = one.value[flags]
    documents = [positions.document[place] for place in one.place[flags].tolist()]
    low, high = mean_interval(values.tolist(), one.samples)
    found, mean, n = design_effect(values, documents), float(values.mean()), len(values)
    effective = found.effective_n if found.effective_n is not None else float(n)
    is_count = one.samples == 1
    by_document = wilson_interval(mean * effective, effective) if is_count else _widened(mean, low, high, found.effect)
    tokens = None if one.tokens is None else float(one.tokens[flags].mean())
    return LevelAccuracy(mean, low, high, n, found.clusters, found.effect, *by_document, tokens)


def difference(pair: MatchedPair, positions: Positions, seed: int, resamples: int) -> PairedDifference:
    """b minus a at the positions of the pair, of which there must be some."""
    a, b = pair.a.value[pair.rows_a], pair.b.value[pair.rows_b]
    documents = [positions.document[place] for place in pair.places()]
    counts = two_by_two(pair.a.right[pair.rows_a], pair.b.right[pair.rows_b])
    plain = mean_difference(a, b, seed, resamples=resamples)
    clustered = mean_difference(a, b, seed, documents, resamples)
    effect = design_effect(b - a, documents)
    is_count = pair.a.samples == pair.b.samples == 1
    return PairedDifference(
        n=len(a),
        documents=effect.clusters,
        a=float(a.mean()),
        b=float(b.mean()),
        value=plain.value,
        low=plain.low,
        high=plain.high,
        document_low=clustered.low,
        document_high=clustered.high,
        effect=effect.effect,
        p=counts.p if is_count else sign_flip_p(a, b, seed, resamples),
        test="McNemar" if is_count else "sign flips",
        both=counts.both,
        gained=counts.only_b,
        forgotten=counts.only_a,
        neither=counts.neither,
    )


def corrected(found: Sequence[PairedDifference | None]) -> list[PairedDifference | None]:
    """The same with Holm's correction over all of them."""
    adjusted = holm([None if one is None else one.p for one in found])
    return [None if one is None else replace(one, holm=p) for one, p in zip(found, adjusted, strict=True)]


def slices(pair: MatchedPair, positions: Positions, seed: int, resamples: int) -> dict[str, list[PairSlice]]:
    """The pair's positions by domain, by the type and by the length of the true next token."""
    places = pair.places()
    tokens = [positions.next_token[place] for place in places]
    kinds: dict[str, tuple[list[str], Sequence[str]]] = {
        "domain": (own := [positions.domain[place] for place in places], sorted(set(own))),
        "type": ([token_type(token) for token in tokens], TYPES),
        "length": ([token_length(token) for token in tokens], LENGTHS),
    }
    return {
        kind: [_slice(name, pair, np.array([one == name for one in names]), positions, seed, resamples)
               for name in order if name in names]
        for kind, (names, order) in kinds.items()
    }  # fmt: skip


@dataclass(frozen=True)
class MatrixCell:
    """Two of many at one difficulty, the second minus the first."""

    n: int
    value: float
    p: float
    holm: float | None = None


def matrix(evaluations: Sequence[Aligned], level: str, seed: int, resamples: int) -> dict[tuple[int, int], MatrixCell]:
    """Every two evaluations with common positions at a difficulty, with Holm's correction over all of them."""
    found: dict[tuple[int, int], MatrixCell] = {}
    for i, j in combinations(range(len(evaluations)), 2):
        pair = match(evaluations[i], evaluations[j]).levels().get(level)
        if pair is not None:
            a, b = pair.a.value[pair.rows_a], pair.b.value[pair.rows_b]
            is_count = pair.a.samples == pair.b.samples == 1
            p = two_by_two(a, b).p if is_count else sign_flip_p(a, b, seed, resamples)
            found[i, j] = MatrixCell(len(a), float((b - a).mean()), p)
    adjusted = holm([cell.p for cell in found.values()])
    return {key: replace(cell, holm=p) for (key, cell), p in zip(found.items(), adjusted, strict=True)}


def _widened(mean: float, low: float, high: float, effect: float | None) -> tuple[float, float]:
    """An interval of several responses each, wider by what the documents do to the mean."""
    by = max(1.0, effect or 1.0) ** 0.5
    return max(0.0, mean - by * (mean - low)), min(1.0, mean + by * (high - mean))


def _slice(name: str, pair: MatchedPair, flags: object, positions: Positions, seed: int, resamples: int) -> PairSlice:
    chosen = np.asarray(flags, np.bool_)
    part = replace(pair, rows_a=pair.rows_a[chosen], rows_b=pair.rows_b[chosen])
    a, b = part.a.value[part.rows_a], part.b.value[part.rows_b]
    counts = two_by_two(part.a.right[part.rows_a], part.b.right[part.rows_b])
    found: Estimate = mean_difference(a, b, seed, [positions.document[place] for place in part.places()], resamples)
    return PairSlice(
        name, len(a), float(a.mean()), float(b.mean()), found.value, found.low, found.high, counts.only_b, counts.only_a
    )
