"""What is compared, as addresses and baskets write it: runs by their ids, each with a step and a mode or without.

In: `12:standard,15@40,31`. Out: entries in that order, each once; the first is the baseline. Without a step, a run
stands for its newest evaluation; without a mode it takes that of the comparison. Pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

MODES = ("sampled", "standard", "greedy")
PATTERN = rf"[0-9]{{1,18}}(?:@[0-9]{{1,9}})?(?::(?:{'|'.join(MODES)}))?"
"""Of one entry, as refs and the API write it, too."""
_ENTRY = re.compile(rf"(\d{{1,18}})(?:@(\d{{1,9}}))?(?::({'|'.join(MODES)}))?")


@dataclass(frozen=True)
class BasketEntry:
    """A run, or its checkpoint of a step, as it was evaluated in some mode."""

    run: int
    step: int | None = None
    mode: str = ""
    """One of MODES; "" for the comparison's."""

    def __str__(self) -> str:
        step = "" if self.step is None else f"@{self.step}"
        return f"{self.run}{step}:{self.mode}" if self.mode else f"{self.run}{step}"


def read_entries(text: str) -> tuple[list[BasketEntry], list[str]]:
    """The entries, and what of the text is none."""
    found: dict[BasketEntry, None] = {}
    others = []
    for word in text.replace("\x00", "").split(","):
        match = _ENTRY.fullmatch(word.strip())
        if match is not None:
            found[BasketEntry(int(match[1]), None if match[2] is None else int(match[2]), match[3] or "")] = None
        elif word.strip():
            others.append(word.strip()[:40])
    return list(found), others


def written(entries: Iterable[BasketEntry]) -> str:
    """The entries as an address has them."""
    return ",".join(map(str, entries))


def added(entries: Sequence[BasketEntry], more: Iterable[BasketEntry]) -> list[BasketEntry]:
    """The same with others after them, each once."""
    return list(dict.fromkeys([*entries, *more]))


def replaced(entries: Sequence[BasketEntry], entry: BasketEntry, other: BasketEntry) -> list[BasketEntry]:
    """The same with another one in its place; it stands once."""
    return list(dict.fromkeys(other if one == entry else one for one in entries))


def query_of(entries: Sequence[BasketEntry]) -> dict[str, str]:
    """The query of an address that compares them; a mode that all have stands there once, so that it can be changed
    for all."""
    modes = {entry.mode for entry in entries}
    if len(modes) != 1 or modes == {""}:
        return {"runs": written(entries)}
    return {"runs": written(replace(entry, mode="") for entry in entries), "mode": modes.pop()}
