"""Many evaluations put onto the same positions, wherever they were made.

In: outcome files. Out: the positions that any of them has, each once, and for each evaluation where its positions stand
among them. A position is a document and a byte; where two evaluations have different texts at that place, these are two
positions, since they come from different corpora.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rpt_core.arrays import Doubles, Flags, Indices
from rpt_core.config import DIFFICULTIES, Mode
from rpt_core.evaluation.outcomes import Outcomes

ALL = "all"
"""The level of questions, which have no difficulty."""
TYPES = ("word", "number", "punctuation", "white space", "mixed")
LENGTHS = ("1 byte", "2 to 3 bytes", "4 to 7 bytes", "8 bytes and more")


@dataclass
class Positions:
    """Positions of all evaluations, in the order in which they were met."""

    document: list[str] = field(default_factory=list)
    byte_offset: list[int] = field(default_factory=list)
    domain: list[str] = field(default_factory=list)
    entropy_nats: list[float] = field(default_factory=list)
    next_token: list[bytes] = field(default_factory=list)
    _known: dict[tuple[str, int], list[int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.document)

    def add(self, outcomes: Outcomes) -> Indices:
        """The place of each of its positions: (positions,)."""
        rows = zip(
            *(getattr(outcomes, name).tolist() for name in ("document", "byte_offset", "domain", "entropy_nats")),
            outcomes.next_token.tolist(),
            strict=True,
        )
        return np.array([self._place(*row) for row in rows], np.int64)

    def _place(self, document: str, offset: int, domain: str, nats: float, token: bytes) -> int:
        known = self._known.setdefault((document, offset), [])
        for place in known:  # tokenizers may cut the same text differently
            if self.next_token[place].startswith(token) or token.startswith(self.next_token[place]):
                return place
        known.append(len(self))
        self.document.append(document)
        self.byte_offset.append(offset)
        self.domain.append(domain or "")
        self.entropy_nats.append(nats)
        self.next_token.append(token)
        return known[-1]


@dataclass(frozen=True)
class Aligned:
    """One evaluation in one mode, at positions of `Positions`; everything is (positions,), by rising place."""

    place: Indices
    value: Doubles
    """How right, 0 to 1."""
    right: Flags
    """Several responses decide by their majority."""
    members: dict[str, Flags]
    samples: int
    tokens: Doubles | None
    """Of a response, on average; None without thinking."""
    prediction: npt.NDArray[np.object_]

    def levels(self) -> list[str]:
        """The difficulties of which it has positions."""
        return [name for name, flags in self.members.items() if flags.any()]


def align(positions: Positions, outcomes: Outcomes, mode: Mode) -> Aligned:
    """Put an evaluation onto the positions. Raises UserError when the mode was not evaluated."""
    value, right = outcomes.correctness(mode), outcomes.right(mode)
    tokens = None if mode == "standard" else outcomes.response_tokens(mode)
    place = positions.add(outcomes)
    order = np.argsort(place)
    members = {name: outcomes.members[name][order] for name in DIFFICULTIES}
    if not any(flags.any() for flags in members.values()):
        members = {ALL: np.ones(len(place), np.bool_)}
    return Aligned(
        place[order],
        value[order],
        right[order],
        members,
        (outcomes.samples or 1) if mode == "sampled" else 1,
        None if tokens is None else tokens[order],
        outcomes.predictions[mode][order],
    )


def token_type(token: bytes) -> str:
    """What kind of text a token is, but for white space at its ends: one of TYPES."""
    text = token.decode(errors="replace")
    if not (core := text.strip()):
        return "white space"
    if core.isalpha():
        return "word"
    if core.isdecimal():
        return "number"
    return "mixed" if any(letter.isalnum() for letter in core) else "punctuation"


def token_length(token: bytes) -> str:
    """How long a token is: one of LENGTHS."""
    size = len(token)
    return LENGTHS[0 if size <= 1 else 1 if size <= 3 else 2 if size <= 7 else 3]
