"""What a filter run tells of a split besides its files, so that a page need not read these. Loads without torch.

In: entropies and highest probabilities of the positions that may be predicted, document by document. Out: plain data
for the `positions` event:

    bin_nats   width of the bins of entropy, which begin at 0
    counts     positions in each of them: those with at least k x bin_nats, and less than (k + 1) x bin_nats
    shares     for each hundredth: `nats` and `key`, where this top share ends (`choice.Cutoff`; null where it is
               empty), and `random`, how many positions a random choice of this share has
    points     [entropy, highest probability] of some positions, evenly spaced over the split
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rpt_core.arrays import Floats
from rpt_core.positions.choice import random_counts, top_share_cutoffs

BINS_PER_NAT = 100
SHARES = tuple(hundredths / 100 for hundredths in range(1, 101))
POINTS = 500


def summarise(
    seed: int, document_ids: Sequence[str], entropies: Sequence[Floats], probabilities: Sequence[Floats]
) -> dict[str, Any]:
    """The summary of a split. `seed` is that of the random choice."""
    cutoffs = top_share_cutoffs(seed, document_ids, entropies, SHARES)
    randoms = random_counts(seed, document_ids, entropies, SHARES)
    flat = np.concatenate([np.empty(0, np.float32), *entropies])
    return {
        "bin_nats": 1 / BINS_PER_NAT,
        "counts": bin_counts(flat),
        "shares": [
            {"nats": None if math.isinf(cutoff.nats) else cutoff.nats, "key": cutoff.key, "random": count}
            for cutoff, count in zip(cutoffs, randoms, strict=True)
        ],
        "points": _points(flat, np.concatenate([np.empty(0, np.float32), *probabilities])),
    }


def bin_counts(entropies: Floats) -> list[int]:
    """How many entropies lie in each bin, from 0 on. What is not finite is left out."""
    ordered = np.sort(entropies[np.isfinite(entropies)].astype(np.float64))
    if not len(ordered):
        return []
    edges = np.arange(math.floor(ordered[-1] * BINS_PER_NAT) + 3) / BINS_PER_NAT
    counts: list[int] = np.diff(np.searchsorted(ordered, edges)).tolist()
    while counts and not counts[-1]:
        counts.pop()
    return counts


def _points(entropies: Floats, probabilities: Floats) -> list[list[float]]:
    known = np.flatnonzero(np.isfinite(entropies) & np.isfinite(probabilities))
    chosen = known[:: max(1, math.ceil(len(known) / POINTS))]
    return [[round(float(entropies[i]), 4), round(float(probabilities[i]), 4)] for i in chosen]
