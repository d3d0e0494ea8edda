"""Differences that several trained models have at several positions each: two sources of noise in one interval.

In: for each seed the paired differences at its positions, and each position's document. Out: the mean over seeds with a
95 % percentile interval of a hierarchical bootstrap: seeds are drawn with replacement, and within each drawn seed whole
documents. It covers training and positions both; with few seeds it is too narrow, which Student's t over seeds
(`rpt_core.statistics.seeds`) is not.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from rpt_core.arrays import Doubles
from rpt_core.run.tables import Estimate
from rpt_core.seeds import derive_seed

RESAMPLES = 10_000


def hierarchical_mean(
    values: Sequence[npt.ArrayLike],
    clusters: Sequence[Sequence[Hashable]],
    seed: int,
    resamples: int = RESAMPLES,
) -> Estimate:
    """The mean over seeds of each seed's mean, with its interval; n is the number of seeds.

    values: for each seed an array (positions,). clusters: for each seed what each position belongs to. One seed has no
    interval, and neither have seeds whose values are all alike. Raises ValueError without seeds or positions.
    """
    arrays = [np.asarray(one, np.float64) for one in values]
    if not arrays or any(not len(one) for one in arrays):
        raise ValueError("no mean without seeds, or of a seed without positions")
    centre = float(np.mean([one.mean() for one in arrays]))
    if len(arrays) == 1 or np.ptp(np.concatenate(arrays)) == 0:
        return Estimate(centre, None, None, len(arrays))
    drawn = _drawn_means(arrays, clusters, seed, resamples)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(centre, float(low), float(high), len(arrays))


def _drawn_means(
    arrays: Sequence[Doubles], clusters: Sequence[Sequence[Hashable]], seed: int, resamples: int
) -> Doubles:
    """(resamples,)"""
    random = np.random.default_rng(derive_seed(seed, "hierarchical bootstrap"))
    sums = [_sums_and_sizes(one, own) for one, own in zip(arrays, clusters, strict=True)]
    total = np.zeros(resamples)
    for _ in arrays:  # as many seeds are drawn as there are, each time with documents of its own
        chosen = random.integers(len(arrays), size=resamples)
        for place, (sum_, size) in enumerate(sums):
            rows = np.flatnonzero(chosen == place)
            times = random.multinomial(len(sum_), np.full(len(sum_), 1 / len(sum_)), len(rows))
            total[rows] += (times @ sum_) / (times @ size)
    return np.asarray(total / len(arrays))


def _sums_and_sizes(values: Doubles, clusters: Sequence[Hashable]) -> tuple[Doubles, Doubles]:
    numbers: dict[Hashable, int] = {}
    places = np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters])
    return np.bincount(places, values).astype(np.float64), np.bincount(places).astype(np.float64)
