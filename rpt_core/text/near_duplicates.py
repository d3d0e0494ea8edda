"""Texts that nearly equal another text, so that what is trained on is not what is measured on.

In: the texts of both sides, a threshold. Out: which training texts nearly equal a held-out one. Two texts are as near
as the share of their runs of five words that both have (Jaccard), case and white space aside; signs, and characters of
scripts without spaces, are words of their own. A text most of whose runs no held-out text has is dismissed at once. For
the others MinHash (the library datasketch) finds candidates: of pairs at the threshold it misses fewer than one in a
hundred. Candidates are compared exactly, so that no text is left out by an estimate. The paper names no such step.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, cached_property
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

RUN_WORDS = 5
"""Words of a run; a shorter text is one run."""
PERMUTATIONS = 128
FOUND_SHARE = 0.99
"""Of the pairs at the threshold, at least this share become candidates."""
_AT_ONCE = 8192
"""Runs that are sketched together; bounds memory for long texts."""
_SPACELESS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
"""Thai, Lao, Burmese, Khmer, Japanese, Chinese."""
_WORD = re.compile(rf"[{_SPACELESS}]|[^\W{_SPACELESS}]+|[^\w\s]")
_ODD = 0x9E3779B97F4A7C15
Runs = npt.NDArray[np.uint64]
"""Hashes of a text's runs, sorted, each once."""


def near_duplicates(texts: Sequence[str], held_out: Sequence[str], threshold: float) -> list[int]:
    """Indices of the texts that share, with some held-out text, at least this share of the runs of both together."""
    if not texts or not held_out:
        return []
    known = HeldOutTexts(held_out, threshold)
    return [number for number, text in enumerate(texts) if known.has_near(text)]


class HeldOutTexts:
    """Texts of the held-out side, at least one, with which others are compared one by one."""

    def __init__(self, texts: Sequence[str], threshold: float) -> None:
        self._threshold = threshold
        self._runs = [runs_of(text) for text in texts]
        self._known = np.unique(np.concatenate(self._runs))

    def has_near(self, text: str) -> bool:
        """Whether a text shares, with one of these, at least the threshold's share of the runs of both together."""
        runs = runs_of(text)
        # Who shares that much with one text shares that much of its own runs with all of them together.
        if _share_known(runs, self._known) < self._threshold:
            return False
        return any(overlap(runs, self._runs[found]) >= self._threshold for found in self._index.query(_sketch(runs)))

    @cached_property
    def _index(self) -> Any:
        return _index(self._runs, self._threshold)


def runs_of(text: str) -> Runs:
    """The runs of words of a text."""
    words = np.array([crc32(word.encode(errors="replace")) for word in _WORD.findall(text.casefold())], np.uint64)
    length = min(RUN_WORDS, len(words))
    runs = np.zeros(len(words) - length + 1, np.uint64)
    for offset in range(length):
        runs = runs * np.uint64(_ODD) + words[offset : offset + len(runs)] + np.uint64(1)
    return np.unique(runs)


def overlap(one: Runs, other: Runs) -> float:
    """Share of the runs of both together that both have."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)


def _share_known(runs: Runs, known: Runs) -> float:
    places = np.minimum(np.searchsorted(known, runs), len(known) - 1)
    return float((known[places] == runs).mean())


def _index(of_held_out: Sequence[Runs], threshold: float) -> Any:
    # Its import takes more than a second, and most corpora never need it.
    from datasketch import MinHashLSH

    index = MinHashLSH(num_perm=PERMUTATIONS, params=_bands(threshold))
    for number, runs in enumerate(of_held_out):
        index.insert(number, _sketch(runs))
    return index


def _sketch(runs: Runs) -> Any:
    from datasketch import MinHash

    sketch = MinHash(PERMUTATIONS, seed=1, hashfunc=int, permutations=_permutations())
    hashes = (runs * np.uint64(_ODD)) >> np.uint64(32)
    for start in range(0, len(hashes), _AT_ONCE):
        sketch.update_batch(hashes[start : start + _AT_ONCE])
    return sketch


@cache
def _permutations() -> Any:
    from datasketch import MinHash

    return MinHash(PERMUTATIONS, seed=1).permutations


def _bands(threshold: float) -> tuple[int, int]:
    """Bands, and rows of each, of which one must agree for a candidate: as many rows as FOUND_SHARE allows."""
    rows = np.arange(1, PERMUTATIONS // 2 + 1)
    found = 1 - (1 - threshold**rows) ** (PERMUTATIONS // rows)
    best = int(rows[found >= FOUND_SHARE].max(initial=1))
    return PERMUTATIONS // best, best
