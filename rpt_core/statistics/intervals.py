"""Intervals for accuracies and their differences, and pass@k.

In: how many of how many were right, or a share for each position. Out: a confidence interval as fractions of 1.
Standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, sqrt
from statistics import NormalDist


def wilson_interval(correct: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for a share, (low, high) within [0, 1]; unlike the normal one it holds near 0 and 1.

    Nothing observed (n = 0) tells nothing: (0, 1). Raises ValueError for counts or levels that cannot be.
    """
    if n < 0 or not 0 <= correct <= n or not 0 < level < 1:
        raise ValueError(
            f"no interval for {correct} correct of {n} at level {level}: need 0 <= correct <= n, 0 < level < 1"
        )
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = correct / n
    scale = 1 + z * z / n
    centre = (share + z * z / (2 * n)) / scale
    half = z / scale * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At 0 and n the bound is exact; rounding would leave it a hair beside.
    low = 0.0 if correct == 0 else max(0.0, centre - half)
    high = 1.0 if correct == n else min(1.0, centre + half)
    return low, high


def mean_interval(values: Sequence[float], samples: int = 1, level: float = 0.95) -> tuple[float, float]:
    """Interval of the mean of shares, one for each position, each the mean of `samples` responses.

    Responses at one position resemble each other, so neither the positions nor the responses are the right n: this is
    Wilson's interval with the effective number of observations, p (1 - p) / variance of the mean (Kish's design
    effect), held between the number of positions and that of responses. With one response it is Wilson's interval
    itself. Where all are right or all wrong nothing tells how alike responses are, and the positions count.
    Nothing observed: (0, 1).
    """
    n, total = len(values), sum(values)
    if n == 0:
        return 0.0, 1.0
    mean = total / n
    variance = sum((value - mean) ** 2 for value in values) / n
    if variance > 0:
        design = min(max(mean * (1 - mean) / variance, 1.0), float(samples))
    else:
        design = float(samples) if 0 < mean < 1 else 1.0
    return wilson_interval(total * design, n * design, level)


def difference_interval(
    a: float, a_interval: tuple[float, float], b: float, b_interval: tuple[float, float]
) -> tuple[float, float]:
    """Interval of b - a for two independent shares, from the interval of each at the same level (Newcombe 1998, his
    method 10). For shares that were measured on the same positions it is too wide where they agree."""
    difference = b - a
    low = difference - sqrt((b - b_interval[0]) ** 2 + (a_interval[1] - a) ** 2)
    high = difference + sqrt((b_interval[1] - b) ** 2 + (a - a_interval[0]) ** 2)
    return low, high


def pass_at_k(samples: int, right: int, k: int) -> float:
    """Probability that one of k responses is right, by the unbiased estimator of Chen et al. (2021).

    1 - C(samples - right, k) / C(samples, k). Raises ValueError unless 0 <= right <= samples and 0 < k <= samples.
    """
    if not 0 <= right <= samples or not 0 < k <= samples:
        raise ValueError(f"no pass@{k} from {right} right of {samples}: need 0 <= right <= samples, 0 < k <= samples")
    return 1 - comb(samples - right, k) / comb(samples, k)
