"""Passages of a response: what somebody selected, and where it is by now.

In: the whole response, places in code points. Out: a span with its words; later its place again. A run that starts over
from a checkpoint writes its responses again, so a text may have changed: then the words are searched for, nearest to
where they were, and where they are gone it says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rpt_core.errors import UserError

LONGEST_QUOTE = 2000


@dataclass(frozen=True)
class Span:
    """A passage: its place in the response in code points, and its words."""

    start: int
    end: int
    quote: str


@dataclass(frozen=True)
class Whereabouts:
    """Where a passage is now: where it was, elsewhere, or nowhere; unread: the text cannot be read."""

    state: Literal["kept", "moved", "gone", "unread"]
    start: int = 0
    end: int = 0

    @property
    def is_shown(self) -> bool:
        """Whether it can be marked in the text."""
        return self.state in ("kept", "moved")


def span_at(text: str, start: int, end: int) -> Span:
    """The passage from `start` to before `end`. Raises UserError for what is none of the text."""
    if not 0 <= start < end <= len(text):
        raise UserError(
            f"A passage from {start:,} to {end:,} is not within the response, which has {len(text):,} characters. "
            "Select it again."
        )
    return Span(start, end, _short_enough(text[start:end]))


def span_of(text: str, quote: str) -> Span:
    """The first place of these words. Raises UserError where the text does not have them."""
    words = _short_enough(quote.replace("\r\n", "\n"))
    start = text.find(words)
    if start < 0:
        raise UserError("The response does not have this passage. Copy it as it stands there, or leave it empty.")
    return Span(start, start + len(words), words)


def found_in(text: str | None, span: Span) -> Whereabouts:
    """Where the passage is in the text as it is now; None for a text that cannot be read."""
    if text is None:
        return Whereabouts("unread")
    if text[span.start : span.end] == span.quote:
        return Whereabouts("kept", span.start, span.end)
    after = text.find(span.quote, span.start)
    before = text.rfind(span.quote, 0, min(len(text), span.start + len(span.quote)))
    places = [place for place in (before, after) if place >= 0]
    if not places or not span.quote:
        return Whereabouts("gone")
    nearest = min(places, key=lambda place: abs(place - span.start))
    return Whereabouts("moved", nearest, nearest + len(span.quote))


def _short_enough(words: str) -> str:
    if len(words) > LONGEST_QUOTE:
        raise UserError(
            f"The passage has {len(words):,} characters, and {LONGEST_QUOTE:,} are allowed. Select less of it."
        )
    return words
