"""Comparing two answers at the same positions: differences with intervals, tests, who gained and who forgot.

In: for each position how right a and b are (0 to 1), in the same order. Out: the difference b - a with a 95 %
percentile bootstrap interval, McNemar's exact test, the positions that changed sides. numpy and scipy only.

Positions of one document are not independent. Intervals resample positions, or whole documents when `clusters` names
each position's document; the latter is the honest one for another corpus of such documents.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rpt_core.arrays import Doubles, Indices
from rpt_core.run.tables import Estimate
from rpt_core.seeds import derive_seed

RESAMPLES = 10_000
_DRAWS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class TwoByTwo:
    """How often which of two was right at the same positions."""

    both: int
    only_a: int
    only_b: int
    neither: int

    @property
    def n(self) -> int:
        """Positions."""
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def p(self) -> float:
        """McNemar's exact test, two-sided: were a and b equally good, the two `only` would be equally likely."""
        from scipy.stats import binomtest

        changed = self.only_a + self.only_b
        return float(binomtest(self.only_b, changed, 0.5).pvalue) if changed else 1.0


def two_by_two(a: npt.ArrayLike, b: npt.ArrayLike) -> TwoByTwo:
    """Count the four cases; a and b say for each position whether it was right."""
    x, y = np.asarray(a, np.bool_), np.asarray(b, np.bool_)
    counts = (x & y, x & ~y, ~x & y, ~x & ~y)
    return TwoByTwo(*(int(count.sum()) for count in counts))


def gained_and_forgotten(a: npt.ArrayLike, b: npt.ArrayLike) -> tuple[list[int], list[int]]:
    """Indices of the positions that b got right and a did not, and of those that a got right and b did not."""
    x, y = np.asarray(a, np.bool_), np.asarray(b, np.bool_)
    return np.flatnonzero(~x & y).tolist(), np.flatnonzero(x & ~y).tolist()


def mean_difference(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    seed: int,
    clusters: Sequence[Hashable] | None = None,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Mean of b - a with its paired bootstrap interval. Raises ValueError without positions.

    clusters: what each position belongs to (its document); whole clusters are resampled. Where all that could be drawn
    is alike, a bootstrap shows no spread and says nothing: then the interval is missing.
    """
    differences = np.asarray(b, np.float64) - np.asarray(a, np.float64)
    if not len(differences):
        raise ValueError("no difference without positions")
    low, high = bootstrap_interval(differences, seed, clusters, resamples)
    return Estimate(float(differences.mean()), low, high, len(differences))


def bootstrap_interval(
    values: Doubles, seed: int, clusters: Sequence[Hashable] | None = None, resamples: int = RESAMPLES
) -> tuple[float | None, float | None]:
    """95 % percentile interval of the mean, (None, None) when it cannot be told."""
    sums, counts = _by_cluster(values, range(len(values)) if clusters is None else clusters)
    # What is alike is drawn together: how often each distinct value comes up is multinomial.
    distinct, alike = np.unique(np.stack([sums, counts]), axis=1, return_counts=True)
    if np.ptp(values) == 0 or len(alike) < 2:
        return None, None
    random = np.random.default_rng(derive_seed(seed, "bootstrap"))
    size = max(1, _DRAWS_AT_ONCE // len(alike))
    means = [
        _resampled_means(distinct, alike, random, min(size, resamples - done)) for done in range(0, resamples, size)
    ]
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return float(low), float(high)


def sign_flip_p(a: npt.ArrayLike, b: npt.ArrayLike, seed: int, resamples: int = RESAMPLES) -> float:
    """Two-sided randomisation test of paired differences that are no counts (means of several responses).

    Were a and b equally good, each difference could as well have the other sign. For differences of -1, 0 and 1 this is
    McNemar's test, drawn instead of counted.
    """
    differences = np.asarray(b, np.float64) - np.asarray(a, np.float64)
    sizes, alike = np.unique(np.abs(differences), return_counts=True)
    random = np.random.default_rng(derive_seed(seed, "sign flips"))
    positive = random.binomial(alike, 0.5, (resamples, len(alike)))  # of each size
    sums = (2 * positive - alike) @ sizes
    as_far = int((np.abs(sums) >= abs(differences.sum()) - 1e-9).sum())
    return (as_far + 1) / (resamples + 1)


def _by_cluster(values: Doubles, clusters: Sequence[Hashable]) -> tuple[Doubles, Doubles]:
    """Sum and number of each cluster's values."""
    numbers = {cluster: number for number, cluster in enumerate(dict.fromkeys(clusters))}
    sums, counts = np.zeros(len(numbers)), np.zeros(len(numbers))
    for cluster, value in zip(clusters, values.tolist(), strict=True):
        sums[numbers[cluster]] += value
        counts[numbers[cluster]] += 1
    return sums, counts


def _resampled_means(distinct: Doubles, alike: Indices, random: np.random.Generator, times: int) -> Doubles:
    """distinct: (2, kinds), sums and counts of each kind; alike: how many clusters are of each kind."""
    drawn = random.multinomial(alike.sum(), alike / alike.sum(), times)  # (times, kinds)
    sums, counts = distinct
    means: Doubles = (drawn @ sums) / (drawn @ counts)
    return means
