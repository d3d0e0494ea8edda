"""What guessing without a thought would reach: the chance level that stands beside pass@k.

In: the proxy model's entropy at each position, in nats. Out: shares of positions at which one of k guesses is right.
A position with entropy H counts as a choice among exp(H) answers that are equally likely (at least one), which is exact
where the true answers are. On the built-in corpus's hard positions, last digits and remainders modulo 7, this gives
63.1 % for eight guesses, and counting the 10 and 7 possible answers 63.9 % (seed 3, 700 positions). Where some answers
are likelier than others, guessing by their frequencies does better. Loads without torch.
"""

from __future__ import annotations

import numpy as np

from rpt_core.arrays import Doubles


def independent_guesses(entropies_nats: Doubles, k: int) -> Doubles:
    """For each position the chance that one of k independent guesses is right: 1 - (1 - 1/m)^k of m answers."""
    return 1 - (1 - 1 / _answers(entropies_nats)) ** k


def different_guesses(entropies_nats: Doubles, k: int) -> Doubles:
    """The same when no guess is made twice: k/m, at most 1. The most that guessing among m answers can do."""
    return np.minimum(1.0, k / _answers(entropies_nats))


def _answers(entropies_nats: Doubles) -> Doubles:
    return np.maximum(1.0, np.exp(np.asarray(entropies_nats, np.float64)))
