"""A group's predictions as votes: each once, with how often it was given, and aligned byte for byte under the text.

In: the responses of a group. Out: votes, and what the group comes to: pass rate, majority, pass@k. Pure functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

from rpt_web.traces.differences import difference_words, first_wrong_byte
from rpt_web.traces.inspector import NAMES, is_sign, sign
from rpt_web.traces.models import Rollout

ALIGNED_BYTES = 64
"""Of each prediction; where the first wrong byte is farther on, the window moves there."""
BEFORE_WRONG = 24
MOST_ALIGNED = 24
"""Distinct predictions under the text; the rest are listed."""


@dataclass(frozen=True)
class ByteCell:
    """One byte of a prediction under the text."""

    sign: str
    kind: str
    """same, wrong, beyond, open."""
    is_sign: bool
    ends: bool
    """Whether a token of the text ends after it."""
    title: str = ""


@dataclass(frozen=True)
class GivenPrediction:
    """A prediction, as often as it was given."""

    prediction: bytes | None
    members: tuple[Rollout, ...]
    reward: float
    words: str
    """Why it is right or wrong."""
    cells: tuple[ByteCell, ...] = ()
    more: int = 0
    """Bytes that are not shown."""

    @property
    def times(self) -> int:
        """How often it was given."""
        return len(self.members)

    @property
    def is_rewarded(self) -> bool:
        """Whether it earns something."""
        return self.reward > 0


@dataclass(frozen=True)
class VoteCount:
    """What a group comes to."""

    votes: tuple[GivenPrediction, ...]
    responses: int
    rewarded: int
    pass_at: tuple[tuple[int, float], ...]
    """k, and the chance that one of k responses out of these is rewarded."""

    @property
    def pass_rate(self) -> float:
        """The share that is rewarded."""
        return self.rewarded / self.responses if self.responses else 0.0

    @property
    def majority(self) -> GivenPrediction | None:
        """What most said."""
        return self.votes[0] if self.votes else None


@dataclass(frozen=True)
class TextRow:
    """The true continuation above the predictions."""

    offsets: tuple[int, ...]
    cells: tuple[ByteCell, ...]
    starts_at: int
    more: int


def tally(group: Sequence[Rollout], boundaries: Sequence[int]) -> VoteCount:
    """The group's votes, the most frequent first; of equals, the rewarded ones."""
    found: dict[bytes | None, list[Rollout]] = {}
    for member in group:
        found.setdefault(None if member.prediction is None else bytes(member.prediction), []).append(member)
    start = window_start(group)
    votes = [_vote(prediction, members, boundaries, start) for prediction, members in found.items()]
    votes.sort(key=lambda vote: (-vote.times, -vote.reward))
    rewarded = sum(member.reward > 0 for member in group)
    return VoteCount(tuple(votes), len(group), rewarded, tuple(_pass_at(len(group), rewarded)))


def window_start(group: Sequence[Rollout]) -> int:
    """From which byte on predictions are shown: 0 unless all of them go wrong far behind."""
    wrong = [
        first_wrong_byte(bytes(member.prediction), bytes(member.completion))
        for member in group
        if member.prediction is not None
    ]
    first = min((index for index in wrong if index is not None), default=0)
    return max(0, first - BEFORE_WRONG) if first >= ALIGNED_BYTES else 0


def text_row(completion: bytes, boundaries: Sequence[int], votes: Sequence[GivenPrediction], start: int) -> TextRow:
    """The text as far as the longest prediction goes, and to the end of the next token at least."""
    longest = max((len(vote.prediction or b"") for vote in votes), default=0)
    next_end = min((end for end in boundaries if end >= longest), default=len(completion))
    end = min(len(completion), max(next_end, start + 8), start + ALIGNED_BYTES)
    ends = set(boundaries)
    cells = tuple(
        ByteCell(sign(completion[i]), "truth", is_sign(completion, i), i + 1 in ends, _title(i, completion))
        for i in range(start, end)
    )
    width = max(end, min(longest, start + ALIGNED_BYTES))
    return TextRow(tuple(range(start, width)), cells, start, len(completion) - end)


def _vote(prediction: bytes | None, members: list[Rollout], boundaries: Sequence[int], start: int) -> GivenPrediction:
    first = members[0]
    completion, data = bytes(first.completion), prediction or b""
    reason = "length" if prediction is None and first.finish_reason == "length" else first.reason
    wrong = None if prediction is None else first_wrong_byte(data, completion)
    ends = set(boundaries)
    end = min(len(data), start + ALIGNED_BYTES)
    cells = tuple(_cell(data, completion, i, wrong, ends) for i in range(start, end))
    words = difference_words(completion, boundaries, prediction, reason)
    return GivenPrediction(prediction, tuple(members), max(m.reward for m in members), words, cells, len(data) - end)


def _cell(data: bytes, completion: bytes, index: int, wrong: int | None, ends: set[int]) -> ByteCell:
    kind = "same" if wrong is None or index < wrong else "wrong" if index == wrong else "beyond"
    due = _name(completion[index]) if index < len(completion) else "nothing"
    title = f"byte {index}: {_name(data[index])}, the text has {due}" if kind == "wrong" else ""
    return ByteCell(sign(data[index]), kind, is_sign(data, index), index + 1 in ends, title)


def _title(index: int, data: bytes) -> str:
    return f"byte {index}: {_name(data[index])}"


def _name(byte: int) -> str:
    return NAMES.get(byte) or (f"“{chr(byte)}”" if 0x21 <= byte <= 0x7E else f"byte \\x{byte:02X}")


def _pass_at(responses: int, rewarded: int) -> list[tuple[int, float]]:
    """For k of 1, 2, 4, ... up to all: the chance that k of them, drawn without putting back, have a rewarded one."""
    sizes = [k for k in (1, 2, 4, 8, 16, 32, 64) if k < responses] + [responses] if responses else []
    return [(k, 1 - comb(responses - rewarded, k) / comb(responses, k)) for k in sizes]
