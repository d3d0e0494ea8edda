"""The responses of a group side by side: those that are the same once, with how often, and where they begin to differ.

In: the group's rollouts with their full texts. Out: cards. A card shows the beginning of a long thought.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rpt_core.run.rollout_files import RolloutRow
from rpt_web.pages.traces.marks import Marks, Piece, marks_for
from rpt_web.traces import inspector
from rpt_web.traces.models import Rollout

LONGEST_CARD = 3000
"""Characters of a thought on its card."""


@dataclass(frozen=True)
class Card:
    """A response, as often as it was given."""

    members: tuple[Rollout, ...]
    full: RolloutRow | None
    thought: str
    shared: int
    """Characters at its beginning that it shares with the first card."""
    is_current: bool
    marks: Marks | None

    @property
    def first(self) -> Rollout:
        """The first that gave it."""
        return self.members[0]

    @property
    def others(self) -> tuple[Rollout, ...]:
        """Those that wrote the same."""
        return self.members[1:]

    @property
    def more(self) -> int:
        """Characters of the thought that are not shown."""
        return max(0, len(self.thought) - LONGEST_CARD)

    def pieces(self, text: str) -> list[Piece]:
        """For `marked`: what begins as the first card does, and the marks of the rest."""
        shared = self.shared if self.shared < len(text) else 0
        rest = self.marks.pieces(text[shared:]) if self.marks else [(text[shared:], "", "")]
        return [(text[:shared], "shared", ""), *rest] if shared else rest

    @property
    def shown(self) -> str:
        """The thought as far as it is shown."""
        return self.thought[:LONGEST_CARD]


def cards_of(group: Sequence[Rollout], texts: Mapping[int, RolloutRow], current: int | None) -> list[Card]:
    """The cards in the order of the group. `current`: id of the response that is open; `texts` by row."""
    same: dict[object, list[Rollout]] = {}
    for member in group:
        full = texts.get(member.row)
        same.setdefault(full.response if full else member.id, []).append(member)
    thoughts = [_thought(members[0], texts) for members in same.values()]
    return [
        Card(
            members=tuple(members),
            full=texts.get(members[0].row),
            thought=thought,
            shared=0 if index == 0 else _word_start(thought, _common(thoughts[0], thought)),
            is_current=any(member.id == current for member in members),
            marks=_marks(texts.get(members[0].row)),
        )
        for index, (members, thought) in enumerate(zip(same.values(), thoughts, strict=True))
    ]


def _thought(member: Rollout, texts: Mapping[int, RolloutRow]) -> str:
    """Its chain of thought, or where that cannot be read how the response begins."""
    full = texts.get(member.row)
    return inspector.split_response(full.response, full.prediction).thought if full else member.preview


def _marks(full: RolloutRow | None) -> Marks | None:
    return marks_for(full.completion, full.boundaries, full.response) if full else None


def _common(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return next((index for index, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _word_start(text: str, index: int) -> int:
    """The beginning of the word that `index` is within."""
    if index >= len(text):
        return index
    while index > 0 and not text[index - 1].isspace():
        index -= 1
    return index
