"""Many evaluations put onto the same positions, wherever they were made.

In: outcome files. Out: the positions that any of them has, each once, and for each evaluation where its positions stand
among them. A position is a text and a byte in it, and a text is known by its hash, under whatever name a corpus has it.
Files of earlier versions hold no hash: their positions are matched by document and byte, unless the next token shows
that the texts are others.
"""

from __future__ import annotations

from collections.abc import Container
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
    text_hash: list[bytes | None] = field(default_factory=list)
    _by_text: dict[tuple[bytes, int], list[int]] = field(default_factory=dict)
    _by_name: dict[tuple[str, int], list[int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.document)

    def add(self, outcomes: Outcomes) -> Indices:
        """The place of each of its positions: (positions,)."""
        names = ("document", "byte_offset", "domain", "entropy_nats", "next_token", "text_hash")
        found: dict[int, None] = {}  # an evaluation has each place once, even of a text that stands twice in its corpus
        for row in zip(*(getattr(outcomes, name).tolist() for name in names), strict=True):
            found[self._place(found, *row)] = None
        return np.array(list(found), np.int64)

    def name(self, place: int) -> tuple[str, int]:
        """Document and byte, as the evaluation that was met first has them."""
        return self.document[place], self.byte_offset[place]

    def _place(
        self,
        taken: Container[int],
        document: str,
        offset: int,
        domain: str,
        nats: float,
        token: bytes,
        text: bytes | None,
    ) -> int:
        place = self._known(taken, document, offset, token, text)
        if place is None:
            place = len(self)
            self.document.append(document)
            self.byte_offset.append(offset)
            self.domain.append(domain or "")
            self.entropy_nats.append(nats)
            self.next_token.append(token)
            self.text_hash.append(None)
            self._by_name.setdefault((document, offset), []).append(place)
        if text is not None and self.text_hash[place] is None:
            self.text_hash[place] = text
            self._by_text.setdefault((text, offset), []).append(place)
        return place

    def _known(self, taken: Container[int], document: str, offset: int, token: bytes, text: bytes | None) -> int | None:
        """The position, if an earlier evaluation has it."""
        by_text = [] if text is None else self._by_text.get((text, offset), [])
        by_text = sorted(by_text, key=lambda place: self.document[place] != document)
        by_name = [
            place
            for place in self._by_name.get((document, offset), [])
            if None in (text, self.text_hash[place]) and _is_one_text(self.next_token[place], token)
        ]
        return next((place for place in (*by_text, *by_name) if place not in taken), None)


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
    is_by_name: bool
    """Whether its positions were matched by document and byte, since its file holds no hashes of texts."""

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
        is_by_name=any(text is None for text in outcomes.text_hash),
    )


def _is_one_text(one: bytes, other: bytes) -> bool:
    """Whether two next tokens can be of one text: tokenizers may cut it differently."""
    return one.startswith(other) or other.startswith(one)


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
