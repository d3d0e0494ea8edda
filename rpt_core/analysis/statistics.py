"""Intervals for accuracies.

In: how many of how many were right. Out: a confidence interval as fractions of 1. Standard library only.
"""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist


def wilson_interval(correct: float, n: int, level: float = 0.95) -> tuple[float, float]:
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
