"""Numbers of several seeds as one: the mean, and how sure it is.

In: one value for each seed. Out: the mean with a 95 % interval of Student's t over the seeds, which are the independent
repetitions: positions of one model are not. Two seeds give an interval too wide to be of use, one gives none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mean, stdev

from rpt_core.result_tables import Estimate


def across_seeds(values: Sequence[float | None], bounds: tuple[float, float] | None = None) -> Estimate | None:
    """Mean over the seeds that have a value; None when none has. `bounds` cut the interval (0 and 1 for shares)."""
    from scipy.stats import t

    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return None
    centre = mean(known)
    if len(known) < 2:
        return Estimate(centre, None, None, len(known))
    half = float(t.ppf(0.975, len(known) - 1)) * stdev(known) / math.sqrt(len(known))
    low, high = centre - half, centre + half
    if bounds is not None:
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return Estimate(centre, low, high, len(known))
