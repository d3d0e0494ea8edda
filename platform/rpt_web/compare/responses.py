"""Groups of responses at positions of evaluations, so that a position leads to its page and can be put into a queue.

In: positions, compared or of one evaluation. Out: a filter for groups, and for each group the position that it is of. A
position is found by the hash of its text; where no evaluation told it, by the id of the document.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from django.db.models import Q, QuerySet

from rpt_core.run.rollout_files import AS_A_WHOLE
from rpt_web.traces.models import CorpusPosition, ResponseGroup


class Evaluated(Protocol):
    """A position of an evaluation."""

    @property
    def place(self) -> int:
        """Its number there."""

    @property
    def document(self) -> str:
        """What the corpus calls its document."""

    @property
    def byte_offset(self) -> int:
        """Where it is in the document."""

    @property
    def text_hash(self) -> bytes | None:
        """What the document's text is known by; None where no evaluation told it."""

    @property
    def entropy_nats(self) -> float | None:
        """None for a question."""


P = TypeVar("P", bound=Evaluated)


class AtPositions(Generic[P]):
    """Which groups are at some positions."""

    def __init__(self, positions: Sequence[P]) -> None:
        self._by_text = {(one.text_hash, _offset(one)): one for one in positions if one.text_hash is not None}
        self._by_name = {(one.document, _offset(one)): one for one in positions if one.text_hash is None}
        self.places: dict[int, tuple[bytes, int]] = {}
        """Text and byte of corpus positions by their ids, once `groups` has looked them up."""

    def groups(self, rows: QuerySet[ResponseGroup]) -> QuerySet[ResponseGroup]:
        """Those that may be at one of the positions; `position_of` tells which are (1 query)."""
        texts, offsets = {text for text, _ in self._by_text}, {offset for _, offset in self._by_text}
        known = CorpusPosition.objects.filter(text_hash__in=texts, byte_offset__in=offsets)
        # By their ids, since Postgres reads all of a run's groups for what comes from a subquery.
        found = (
            (pk, (bytes(text), offset)) for pk, text, offset in known.values_list("pk", "text_hash", "byte_offset")
        )
        self.places = {pk: place for pk, place in found if place in self._by_text}
        documents = {document for document, _ in self._by_name}
        return rows.filter(Q(position__in=list(self.places)) | Q(document__in=documents)).exclude(position=None)

    def position_of(self, document: str, text: bytes, offset: int) -> P | None:
        """The position at a group's document and corpus position."""
        return self._by_text.get((text, offset)) or self._by_name.get((document, offset))


def _offset(one: Evaluated) -> int:
    """Where the completion begins, as responses name it: a question, which has no entropy, is asked as a whole."""
    return AS_A_WHOLE if one.entropy_nats is None else one.byte_offset
