"""Which positions are worth training on: by threshold, by top share, from a list, or at random (the control).

In: the candidate positions' entropies, document by document. Out: the chosen ones. Every random choice hangs on the
seed and the document's id alone: adding other documents, or reading them in another order, does not change it. So the
random control takes its share of each document, the rest of a position by a draw, and not of the whole split. A top
share is one of the whole split.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from rpt_core.arrays import Floats, Indices
from rpt_core.config import FilterConfig

_Keys = npt.NDArray[np.float64]


def choose_positions(
    config: FilterConfig,
    document_ids: Sequence[str],
    entropies: Sequence[Floats],
    listed: Sequence[Indices] | None = None,
) -> list[Indices]:
    """Indices of the chosen candidates of each document, ascending. A candidate without entropy (NaN) is none.

    listed: what the position list names in each document, which is what `keep: list` takes.
    """
    chosen = _by_rule(config, document_ids, entropies) if listed is None else list(listed)
    cap = config.max_positions_per_document
    if cap is None:
        return chosen
    keys = _all_keys(config.seed, document_ids, entropies)
    # Those with the smallest keys: a smaller cap keeps some of what a larger one keeps.
    return [np.sort(at[np.argsort(key[at], kind="stable")[:cap]]) for at, key in zip(chosen, keys, strict=True)]


def _by_rule(config: FilterConfig, document_ids: Sequence[str], entropies: Sequence[Floats]) -> list[Indices]:
    keys = _all_keys(config.seed, document_ids, entropies)
    if config.keep == "random":
        return [_share_of(found, key, config.keep_share) for found, key in zip(entropies, keys, strict=True)]
    is_chosen = _choose(config, _flat(entropies), lambda: _flat(key[:-1] for key in keys))
    ends = np.cumsum([0, *map(len, entropies)])
    return [np.flatnonzero(is_chosen[start:end]) for start, end in pairwise(ends)]


def _choose(
    config: FilterConfig, entropies: npt.NDArray[np.float64], keys: Callable[[], _Keys]
) -> npt.NDArray[np.bool_]:
    """Which of all candidates are chosen, before the cap. Ties are broken by the random keys."""
    if config.keep == "threshold":
        return entropies >= config.min_entropy_nats
    valid = np.flatnonzero(np.isfinite(entropies))
    key = keys()[valid]
    order = np.lexsort((key, -entropies[valid]))
    is_chosen = np.zeros(len(entropies), dtype=np.bool_)
    is_chosen[valid[order[: round(config.keep_share * len(valid))]]] = True
    return is_chosen


def _share_of(entropies: Floats, keys: _Keys, share: float) -> Indices:
    """The share of a document's candidates with the smallest keys, rounded up or down by the last key."""
    valid = np.flatnonzero(np.isfinite(entropies))
    count = math.floor(share * len(valid) + keys[-1])
    return np.sort(valid[np.argsort(keys[valid], kind="stable")[:count]])


def _all_keys(seed: int, document_ids: Sequence[str], entropies: Sequence[Floats]) -> Iterator[_Keys]:
    return (_random_keys(seed, id_, len(found)) for id_, found in zip(document_ids, entropies, strict=True))


def _random_keys(seed: int, document_id: str, count: int) -> _Keys:
    """A key in [0, 1) for each candidate, and one more."""
    digest = hashlib.blake2b(f"{seed}:{document_id}".encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "big")).random(count + 1)


def _flat(arrays: Iterable[npt.NDArray[np.floating]]) -> npt.NDArray[np.float64]:
    return np.concatenate([np.empty(0), *arrays])
