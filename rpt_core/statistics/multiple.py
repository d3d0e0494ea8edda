"""Many comparisons at once: p values that keep the chance of any false finding at the level asked for."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjustment (Holm 1979), in the order given; None where there was no test.

    An adjusted p below 0.05 may be called a difference, and the chance that any of those calls is wrong is at most 5 %.
    The tests need not be independent. Raises ValueError for what is no probability.
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    if any(not 0 <= p <= 1 for p, _ in known):
        raise ValueError("a p value lies between 0 and 1")
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        adjusted[place] = largest
    return adjusted
