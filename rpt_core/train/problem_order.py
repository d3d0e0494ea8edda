"""In which order the training positions are drawn: without replacement, pass after pass over all of them.

In: the kept positions, a seed, for a curriculum their entropies. Out: the positions of any stretch of draws, as a
function of the seed alone: whoever remembers how many were drawn goes on where another left off. The paper draws at
random; `easy_to_hard` is an option, by rising entropy of the proxy model within each pass, equal ones at random.
"""

from __future__ import annotations

import numpy as np

from rpt_core.arrays import Floats, Indices
from rpt_core.seeds import derive_seed


class ProblemOrder:
    """Which position each draw gets."""

    def __init__(self, kept: Indices, seed: int, entropies: Floats | None = None) -> None:
        """entropies: of the kept positions, for the order from easy to hard; without them the order is random."""
        self._kept, self._seed, self._entropies = np.asarray(kept), seed, entropies
        self._pass, self._order = -1, np.empty(0, np.int64)

    def draw(self, start: int, count: int) -> list[int]:
        """Indices of the positions of `count` draws, after `start` others since the run began."""
        return [self._index(number) for number in range(start, start + count)]

    def _index(self, number: int) -> int:
        pass_, place = divmod(number, len(self._kept))
        if pass_ != self._pass:
            self._pass, self._order = pass_, self._order_of(pass_)
        return int(self._kept[self._order[place]])

    def _order_of(self, pass_: int) -> Indices:
        random = np.random.default_rng(derive_seed(self._seed, "problem order", pass_)).permutation(len(self._kept))
        if self._entropies is None:
            return random
        return random[np.argsort(self._entropies[random], kind="stable")]
