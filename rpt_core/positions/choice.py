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
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from rpt_core.arrays import Floats, Indices
from rpt_core.config import FilterConfig

_Keys = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cutoff:
    """Where a top share ends, so that one document's part of it is known without the others."""

    nats: float
    """Entropy of the last position that is chosen; infinite when none is."""
    key: float
    """Of the positions with just this entropy, those with a random key up to this one are chosen."""

    def chosen(self, seed: int, document_id: str, entropies: Floats) -> Indices:
        """Indices of a document's candidates in the top share, as `choose_positions` chooses them."""
        is_chosen = entropies > self.nats
        at_edge = entropies == self.nats
        if at_edge.any():
            is_chosen |= at_edge & (_random_keys(seed, document_id, len(entropies))[:-1] <= self.key)
        return np.flatnonzero(is_chosen)


def top_share_cutoffs(
    seed: int, document_ids: Sequence[str], entropies: Sequence[Floats], shares: Sequence[float]
) -> list[Cutoff]:
    """Where each top share of a split ends."""
    ordered = np.sort(_flat(found[np.isfinite(found)] for found in entropies))  # rising
    edges = [_edge(ordered, round(share * len(ordered))) for share in shares]
    tied = _keys_at(seed, document_ids, entropies, {nats for nats, taken, there in edges if taken < there})
    return [Cutoff(nats, float(tied[nats][taken - 1]) if taken < there else 1.0) for nats, taken, there in edges]


def random_counts(
    seed: int, document_ids: Sequence[str], entropies: Sequence[Floats], shares: Sequence[float]
) -> list[int]:
    """How many positions of a split each random share has."""
    last = np.array([keys[-1] for keys in _all_keys(seed, document_ids, entropies)])
    sizes = np.array([np.isfinite(found).sum() for found in entropies])
    return [int(np.floor(share * sizes + last).sum()) for share in shares]


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
    if config.keep == "random":
        named = zip(document_ids, entropies, strict=True)
        return [random_share(config.seed, id_, found, config.keep_share) for id_, found in named]
    keys = _all_keys(config.seed, document_ids, entropies)
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


def random_share(seed: int, document_id: str, entropies: Floats, share: float) -> Indices:
    """The share of a document's candidates with the smallest keys, rounded up or down by the last key."""
    keys = _random_keys(seed, document_id, len(entropies))
    valid: Indices = np.flatnonzero(np.isfinite(entropies))
    count = math.floor(share * len(valid) + keys[-1])
    if not count:
        return valid[:0]
    key = keys[valid]
    edge = np.partition(key, count - 1)[count - 1]  # sorting a million keys would take ten times as long
    is_chosen: npt.NDArray[np.bool_] = key < edge
    is_chosen[np.flatnonzero(key == edge)[: count - is_chosen.sum()]] = True
    return valid[is_chosen]


def _all_keys(seed: int, document_ids: Sequence[str], entropies: Sequence[Floats]) -> Iterator[_Keys]:
    return (_random_keys(seed, id_, len(found)) for id_, found in zip(document_ids, entropies, strict=True))


def _random_keys(seed: int, document_id: str, count: int) -> _Keys:
    """A key in [0, 1) for each candidate, and one more."""
    digest = hashlib.blake2b(f"{seed}:{document_id}".encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "big")).random(count + 1)


def _edge(ordered: npt.NDArray[np.float64], count: int) -> tuple[float, int, int]:
    """The lowest of the `count` highest entropies; how many that have it are among them, and how many there are."""
    if not count:
        return math.inf, 0, 0
    nats = float(ordered[-count])
    first, end = (int(np.searchsorted(ordered, nats, side)) for side in ("left", "right"))
    return nats, count - (len(ordered) - end), end - first


def _keys_at(
    seed: int, document_ids: Sequence[str], entropies: Sequence[Floats], edges: set[float]
) -> dict[float, _Keys]:
    """The random keys of all candidates with each of some entropies, rising."""
    found: dict[float, list[_Keys]] = {edge: [] for edge in edges}
    for id_, values in zip(document_ids, entropies, strict=True) if edges else ():
        for edge in edges.intersection(values[np.isin(values, list(edges))].tolist()):
            found[edge].append(_random_keys(seed, id_, len(values))[:-1][values == edge])
    return {edge: np.sort(_flat(keys)) for edge, keys in found.items()}


def _flat(arrays: Iterable[npt.NDArray[np.floating]]) -> npt.NDArray[np.float64]:
    return np.concatenate([np.empty(0), *arrays])
