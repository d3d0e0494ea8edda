"""The tokens of a response as they were sampled, a window at a time: text, id, log-prob, entropy.

In: what the shard has recorded of a response, its text. Out: tokens to show; shades go by how improbable a token was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from rpt_core.run.rollout_files import RecordedTokens, RolloutRow, read_tokens_at
from rpt_web.pages.token_maps.windows import shown

TOKENS_SHOWN = 400
SHADES = (0.9, 0.5, 0.1)
"""Probabilities below which a token is shaded, each darker than the one before."""


@dataclass(frozen=True)
class ShownToken:
    """A token with its numbers."""

    number: int
    text: str
    id: int
    hex: str
    log_prob: float | None
    nats: float | None

    @property
    def shade(self) -> int:
        """0 for a token that was nearly certain, up to 3."""
        if self.log_prob is None:
            return 0
        return sum(math.exp(self.log_prob) < limit for limit in SHADES)


@dataclass(frozen=True)
class TokenWindow:
    """Some of the tokens that were recorded."""

    tokens: tuple[ShownToken, ...]
    start: int
    of: int
    is_boxed: bool
    """Whether only a part of the response's tokens is recorded."""

    @property
    def end(self) -> int:
        """After the last that is shown."""
        return self.start + len(self.tokens)

    @property
    def previous(self) -> int | None:
        """Where the window before begins; None at the start."""
        return max(0, self.start - TOKENS_SHOWN) if self.start else None

    @property
    def next(self) -> int | None:
        """Where the window after begins; None at the end."""
        return self.end if self.end < self.of else None


def recorded(path: Path, row: int) -> RecordedTokens | None:
    """What a shard has of a row; None for none, and for a file that cannot be read."""
    try:
        return read_tokens_at(path, row)
    except (OSError, IndexError, ValueError):  # pyarrow's errors are ValueErrors
        return None


def token_window(found: RecordedTokens, full: RolloutRow, start: int) -> TokenWindow:
    """The tokens from one on."""
    count = min(len(found.ids), len(found.ends), len(found.log_probs))
    start = min(start, max(0, count - 1) // TOKENS_SHOWN * TOKENS_SHOWN)
    data = full.response.encode()
    end = min(count, start + TOKENS_SHOWN)
    tokens = tuple(_token(found, index, data) for index in range(start, end))
    return TokenWindow(tokens, start, count, count < full.response_tokens)


def _token(found: RecordedTokens, index: int, data: bytes) -> ShownToken:
    # Of the first one inside a box, the start is not recorded: what stands before the box belongs to it, too.
    begin = found.ends[index - 1] if index else 0 if not found.start else None
    piece = data[begin : found.ends[index]] if begin is not None else b""
    nats = found.entropies[index] if found.entropies else None
    text = shown(piece) if piece else f"token {found.ids[index]}"
    return ShownToken(found.start + index, text, found.ids[index], piece.hex(" "), found.log_probs[index], nats)
