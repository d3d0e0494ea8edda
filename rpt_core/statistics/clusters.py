"""Values that come in clusters: positions of one document, which are more alike than those of different documents.

In: one value for each position and the cluster of each. Out: what the clusters do to the variance of the mean. An
interval that takes positions for independent is too narrow by the square root of the design effect.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class DesignEffect:
    """How much clusters cost."""

    n: int
    """Values."""
    clusters: int
    effect: float | None
    """Variance of the mean with clusters by that without (Kish 1965); None with one cluster, or where all is alike."""

    @property
    def effective_n(self) -> float | None:
        """So many independent values would be as good; never more than there are."""
        return None if self.effect is None else self.n / max(1.0, self.effect)


def design_effect(values: npt.ArrayLike, clusters: Sequence[Hashable]) -> DesignEffect:
    """The ratio of the cluster-robust variance of the mean to that of independent values.

    The variance with clusters is that of a ratio of sums over clusters, with the factor m / (m - 1) for m clusters; the
    other one divides by n - 1. Raises ValueError without values, or where the two are not equally long.
    """
    x = np.asarray(values, np.float64)
    if not len(x) or len(x) != len(clusters):
        raise ValueError("give a cluster for each value, and one value at least")
    residuals = x - x.mean()
    numbers: dict[Hashable, int] = {}
    places = np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters])
    m, n = len(numbers), len(x)
    independent = float(residuals @ residuals) / (n - 1) / n if n > 1 else 0.0
    if m < 2 or independent <= 0 or math.isclose(independent, 0, abs_tol=1e-300):
        return DesignEffect(n, m, None)
    sums = np.bincount(places, residuals, m)
    with_clusters = m / (m - 1) * float(sums @ sums) / n**2
    return DesignEffect(n, m, with_clusters / independent)
