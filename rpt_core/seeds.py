"""Seeds from names: each use of randomness has a seed of its own, a function of what it is for.

In: any numbers and words, such as the run's seed, a purpose and a step. Out: a seed. Nothing keeps a generator's state
between steps, so a run resumed from a checkpoint draws what it would have drawn. Loads without torch and numpy.
"""

from __future__ import annotations

import hashlib


def derive_seed(*parts: int | str) -> int:
    """A seed below 2**63 that differs for different parts."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
