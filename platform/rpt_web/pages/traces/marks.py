"""What is marked in a thought: what a search has found, where the target's bytes occur, keywords of reasoning patterns.

In: text, a search, a completion with its token ends. Out: the text in pieces, each with the kind of its mark and its
title; joined they are the whole of it. Where marks overlap, the first of these kinds wins.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rpt_core.analysis.patterns import PAPER, load_keywords
from rpt_core.run.rollout_search import SoughtText, marked

MOST_OF_A_KIND = 300
MOST_TARGET_TOKENS = 4
Piece = tuple[str, str, str]
"""Text, kind of the mark (empty for none), title."""
_Span = tuple[int, int, str, str]


@dataclass(frozen=True)
class Marks:
    """What to mark."""

    search: SoughtText | None = None
    target: re.Pattern[str] | None = None
    target_text: str = ""
    with_patterns: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    """What was marked so far: titles of patterns, and `target`."""

    def pieces(self, text: str) -> list[Piece]:
        """The text, marked."""
        pieces, at = [], 0
        for start, end, kind, title in self._spans(text):
            if start < at:
                continue
            self.counts[title if kind == "pattern" else kind] += 1
            pieces += [(text[at:start], "", ""), (text[start:end], kind, title)]
            at = end
        return [piece for piece in [*pieces, (text[at:], "", "")] if piece[0]]

    @property
    def patterns(self) -> list[tuple[str, int]]:
        """Patterns whose keywords were marked, each with how often."""
        return [(name, count) for name, count in self.counts.most_common() if name not in ("found", "target")]

    def first_found(self, text: str) -> int:
        """Where the first match of the search begins; 0 without one."""
        return next((start for start, *_ in self._searched(text)), 0)

    def _spans(self, text: str) -> list[_Span]:
        found = [*self._searched(text), *self._targets(text), *self._patterns(text)]
        taken: list[_Span] = []
        ends: list[tuple[int, int]] = []
        for span in found:  # in the order of the kinds
            if all(span[1] <= start or span[0] >= end for start, end in ends):
                taken.append(span)
                ends.append(span[:2])
        return sorted(taken)

    def _searched(self, text: str) -> Iterator[_Span]:
        at = 0
        for piece, is_match in marked(text, self.search) if self.search else ():
            if is_match:
                yield at, at + len(piece), "found", "what was searched for"
            at += len(piece)

    def _targets(self, text: str) -> Iterator[_Span]:
        found = self.target.finditer(text) if self.target else iter(())
        for match, _ in zip(found, range(MOST_OF_A_KIND), strict=False):
            yield *match.span(), "target", f"the text continues with “{self.target_text}”"

    def _patterns(self, text: str) -> Iterator[_Span]:
        if not self.with_patterns:
            return
        for name, patterns in load_keywords(PAPER).groups.items():
            for pattern in patterns:
                for match, _ in zip(pattern.finditer(text), range(MOST_OF_A_KIND), strict=False):
                    if match.end() > match.start():
                        yield *match.span(), "pattern", name


def marks_for(completion: bytes, boundaries: Sequence[int], thought: str, search: SoughtText | None = None) -> Marks:
    """Marks of a thought: its target is the longest beginning of the completion that occurs in it."""
    for text in _targets(completion, boundaries):
        target = re.compile(rf"{_edge(text[0], '<!')}{re.escape(text)}{_edge(text[-1], '!')}")
        if target.search(thought):
            return Marks(search, target, text, True)
    return Marks(search, with_patterns=True)


def _targets(completion: bytes, boundaries: Sequence[int]) -> list[str]:
    """The first tokens of the completion as text, the most tokens first."""
    ends = sorted(boundaries)[:MOST_TARGET_TOKENS]
    texts = [completion[:end].decode(errors="ignore").strip() for end in reversed(ends)]
    return list(dict.fromkeys(text for text in texts if text))


def _edge(letter: str, look: str) -> str:
    """A word is not marked within a longer one."""
    return rf"(?{look}\w)" if letter.isalnum() else ""
