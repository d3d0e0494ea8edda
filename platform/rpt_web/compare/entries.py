"""What is compared, as addresses and baskets write it: runs by their ids, each with a step or without.

In: `12,15@40,31`. Out: entries in that order, each once; the first is the baseline. Without a step, a run stands for
its newest evaluation. Pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_ENTRY = re.compile(r"(\d{1,18})(?:@(\d{1,9}))?")


@dataclass(frozen=True)
class BasketEntry:
    """A run, or its checkpoint of a step."""

    run: int
    step: int | None = None

    def __str__(self) -> str:
        return str(self.run) if self.step is None else f"{self.run}@{self.step}"


def read_entries(text: str) -> tuple[list[BasketEntry], list[str]]:
    """The entries, and what of the text is none."""
    found: dict[BasketEntry, None] = {}
    others = []
    for word in text.replace("\x00", "").split(","):
        match = _ENTRY.fullmatch(word.strip())
        if match is not None:
            found[BasketEntry(int(match[1]), None if match[2] is None else int(match[2]))] = None
        elif word.strip():
            others.append(word.strip()[:40])
    return list(found), others


def written(entries: Iterable[BasketEntry]) -> str:
    """The entries as an address has them."""
    return ",".join(map(str, entries))


def first(entries: Sequence[BasketEntry], entry: BasketEntry) -> list[BasketEntry]:
    """The same with one of them as the baseline."""
    return [entry, *(other for other in entries if other != entry)]


def without(entries: Sequence[BasketEntry], entry: BasketEntry) -> list[BasketEntry]:
    """The same less one of them."""
    return [other for other in entries if other != entry]


def added(entries: Sequence[BasketEntry], more: Iterable[BasketEntry]) -> list[BasketEntry]:
    """The same with others after them, each once."""
    return list(dict.fromkeys([*entries, *more]))
