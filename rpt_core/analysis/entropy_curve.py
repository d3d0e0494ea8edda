"""How sure a model is at a given entropy: the largest probability when all other tokens share the rest equally.

In: entropies in nats and the size of a vocabulary. Out: the largest probability p, or the entropy for a given p:

    H(p) = -p ln p - (1 - p) ln((1 - p) / (V - 1))

Spreading the rest equally gives the most entropy for a p, so this p is the most that a token can have, not what it
has: real distributions have a likely second token and lie below. It puts the paper's thresholds of 0.5, 1.0 and 1.5
nats in perspective (section 4.1: easy, medium, hard).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rpt_core.errors import UserError

VOCABULARY = 150_000
"""About that of the Qwen2.5 models."""
_BISECTIONS = 60
"""Each halves the error: 2^-60 is below the precision of a float."""
_ROUNDING = 1e-12
"""Entropies that lie so little outside are meant to be at the edge."""
_Array = npt.NDArray[np.float64]


def largest_probability(entropy_nats: npt.ArrayLike, vocabulary: int = VOCABULARY) -> _Array:
    """Largest probability at each entropy, in the shape of the entropies.

    0 nats give 1, ln(vocabulary) gives 1 / vocabulary. Raises UserError for an entropy that the vocabulary cannot have.
    """
    entropies = np.asarray(entropy_nats, dtype=np.float64)
    _check_vocabulary(vocabulary)
    highest = np.log(vocabulary)
    if not np.all((entropies >= 0) & (entropies <= highest + _ROUNDING)):
        raise UserError(
            f"Entropies over {vocabulary} tokens lie between 0 and {highest:.4g} nats. Check the values and the size "
            "of the vocabulary."
        )
    low, high = np.full(entropies.shape, 1 / vocabulary), np.ones(entropies.shape)
    for _ in range(_BISECTIONS):  # the entropy falls as p grows
        middle = (low + high) / 2
        above = _entropy(middle, vocabulary) > entropies
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return (low + high) / 2


def entropy_nats(probability: npt.ArrayLike, vocabulary: int = VOCABULARY) -> _Array:
    """Entropy when the most probable token has this probability and all others share the rest equally: the inverse.

    Raises UserError for a probability below 1 / vocabulary, which cannot be the largest, or above 1.
    """
    p = np.asarray(probability, dtype=np.float64)
    _check_vocabulary(vocabulary)
    if not np.all((p >= (1 - _ROUNDING) / vocabulary) & (p <= 1)):
        raise UserError(
            f"The largest of {vocabulary} probabilities lies between {1 / vocabulary:.3g} and 1. Check the values and "
            "the size of the vocabulary."
        )
    return _entropy(p, vocabulary)


def _entropy(p: _Array, vocabulary: int) -> _Array:
    rest = 1 - p
    # 0 ln 0 is 0; the logarithm is taken of 1 there, so that it stays finite.
    own = p * np.log(p)
    others = rest * (np.log(np.where(rest > 0, rest, 1.0)) - np.log(vocabulary - 1))
    entropy: _Array = np.maximum(-own - others, 0.0)
    return entropy


def _check_vocabulary(vocabulary: int) -> None:
    if vocabulary < 2:
        raise UserError(f"A vocabulary of {vocabulary} tokens leaves nothing to be unsure of. Give at least 2.")
