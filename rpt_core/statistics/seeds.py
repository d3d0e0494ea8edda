"""Numbers of several seeds as one: the mean, and how sure it is.

In: one value for each seed. Out: the mean with a 95 % interval of Student's t over the seeds, which are the independent
repetitions: positions of one model are not. It covers what differs between the seeds: the training, and the positions
where each seed draws its own. Two seeds give an interval too wide to be of use. One seed gives none, and neither do
seeds that are all alike: by Student's t it would have no width, and claim a certainty that is not there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mean, stdev

from rpt_core.run.tables import Estimate

SHARES, DIFFERENCES, CHANGES = (0.0, 1.0), (-1.0, 1.0), (-1.0, math.inf)
"""Where shares, their differences and their relative changes lie."""


def across_seeds(values: Sequence[float | None], bounds: tuple[float, float] | None = None) -> Estimate | None:
    """Mean over the seeds that have a value; None when none has. `bounds` cut the interval."""
    from scipy.special import stdtrit  # Student's quantiles, without all of scipy.stats: pages load this, too

    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return None
    centre = mean(known)
    if math.isclose(min(known), max(known), rel_tol=1e-9, abs_tol=1e-12):  # one seed, or alike but for rounding
        return Estimate(centre, None, None, len(known))
    half = float(stdtrit(len(known) - 1, 0.975)) * stdev(known) / math.sqrt(len(known))
    low, high = centre - half, centre + half
    if bounds is not None:
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return Estimate(centre, low, high, len(known))
