"""Long texts in parts: a page shows a window of a thought, and what is near the box and the end of the context.

In: a response in its parts, a prompt, where the reader is. Out: what is shown, and where the rest is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rpt_web.traces.inspector import ResponseParts

WINDOW = 16_000
"""Characters of a thought on one page."""
NEAR = 8_000
"""Characters shown of an answer on each side of its box, of a template, and of a context before its end."""


@dataclass(frozen=True)
class TextWindow:
    """A part of a text."""

    text: str
    start: int
    end: int
    of: int

    @property
    def previous(self) -> int | None:
        """Where the part before begins; None at the start."""
        return max(0, self.start - WINDOW) if self.start else None

    @property
    def next(self) -> int | None:
        """Where the part after begins; None at the end."""
        return self.end if self.end < self.of else None


@dataclass(frozen=True)
class Prompt:
    """A rendered prompt around its context, as far as it is shown."""

    before: str
    context: str
    context_end: bytes
    after: str
    left_out: int = 0
    """Characters before the end of the context that are not shown."""


def window(text: str, start: int) -> TextWindow:
    """The part from a character on; the last part for one that is beyond the end."""
    last = max(0, len(text) - 1) // WINDOW * WINDOW
    start = min(start, last)
    end = min(len(text), start + WINDOW)
    return TextWindow(text[start:end], start, end, len(text))


def near_the_box(parts: ResponseParts) -> tuple[ResponseParts, int]:
    """The answer as far as it is shown, and how many characters that leaves out."""
    before, after = parts.before_box[-NEAR:], parts.after_box[:NEAR]
    box = parts.box if parts.box is None else parts.box[:NEAR]
    left_out = len(parts.before_box) - len(before) + len(parts.after_box) - len(after)
    return replace(parts, before_box=before, box=box, after_box=after), left_out


def shown_prompt(before: str, context: str, after: str) -> Prompt:
    """The end of the context with the template around it."""
    bare = context.rstrip(" \t\n")
    shown = bare[-NEAR:]
    left_out = len(bare) - len(shown) + max(0, len(before) - NEAR)
    return Prompt(before[:NEAR], shown, context[len(bare) :][:NEAR].encode(), after[:NEAR], left_out)
