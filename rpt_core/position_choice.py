"""Which positions are worth training on: by threshold, by top share, or at random (the control).

In: the candidate positions' entropies, document by document. Out: the chosen ones. Every random choice hangs on the
seed and the document's id alone: adding other documents, or reading them in another order, does not change it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from rpt_core.config import FilterConfig
from rpt_core.positions import Floats, Indices

_Keys = npt.NDArray[np.float64]


def choose_positions(config: FilterConfig, document_ids: Sequence[str], entropies: Sequence[Floats]) -> list[Indices]:
    """Indices of the chosen candidates of each document, ascending. A candidate without entropy (NaN) is none."""
    keys = [_random_keys(config.seed, id_, len(found)) for id_, found in zip(document_ids, entropies, strict=True)]
    is_chosen = _choose(config, _flat(entropies), _flat(keys))
    ends = np.cumsum([0, *map(len, entropies)])
    chosen = [np.flatnonzero(is_chosen[start:end]) for start, end in pairwise(ends)]
    cap = config.max_positions_per_document
    return [_cap(at, key, cap) for at, key in zip(chosen, keys, strict=True)]


def _choose(config: FilterConfig, entropies: npt.NDArray[np.float64], keys: _Keys) -> npt.NDArray[np.bool_]:
    """Which of all candidates are chosen, before the cap. Ties are broken by the random keys."""
    valid = np.flatnonzero(np.isfinite(entropies))
    is_chosen = np.zeros(len(entropies), dtype=np.bool_)
    if config.keep == "threshold":
        is_chosen[valid] = entropies[valid] >= config.min_entropy_nats
        return is_chosen
    first = -entropies[valid] if config.keep == "top_share" else keys[valid]
    order = np.lexsort((keys[valid], first))
    is_chosen[valid[order[: round(config.keep_share * len(valid))]]] = True
    return is_chosen


def _cap(chosen: Indices, keys: _Keys, cap: int | None) -> Indices:
    """At most `cap` of a document's positions, those with the smallest keys."""
    if cap is None or len(chosen) <= cap:
        return chosen
    return np.sort(chosen[np.argsort(keys[chosen], kind="stable")[:cap]])


def _random_keys(seed: int, document_id: str, count: int) -> _Keys:
    digest = hashlib.blake2b(f"{seed}:{document_id}".encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "big")).random(count)


def _flat(arrays: Sequence[npt.NDArray[np.floating]]) -> npt.NDArray[np.float64]:
    return np.concatenate([np.empty(0), *arrays])
