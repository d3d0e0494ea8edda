"""Tokens of a document as the browser gets them: a window at a time, as plain text that it escapes.

In: a document's map, which of its tokens are chosen, a place in it. Out: lists with one item for each token. Text of a
corpus is hostile: what is invisible, or turns the direction of the text around it, is written as a sign. Entropies have
the nine digits that name a float32, so that the browser compares the very same numbers with a threshold.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rpt_core.arrays import Floats, Indices
from rpt_core.positions.maps import DocumentMap
from rpt_web.traces import inspector

BLOCK_TOKENS = 200
"""Shown together, under one number at the edge."""
WINDOW_TOKENS = 1000
"""Sent at one time, and at most."""


def window(found: DocumentMap, chosen: Indices | None, start: int) -> dict[str, Any]:
    """The tokens of the window that begins at `start`."""
    end = min(start + WINDOW_TOKENS, found.tokens)
    pieces = [found.piece(token) for token in range(start, end)]
    inside = () if chosen is None else chosen[np.searchsorted(chosen, start) : np.searchsorted(chosen, end)].tolist()
    return {
        "start": start,
        "texts": [shown(piece) for piece in pieces],
        "bytes": [piece.hex() for piece in pieces],
        "nats": exact(found.entropies[start:end]),
        "highest": None if found.highest_probabilities is None else exact(found.highest_probabilities[start:end]),
        "ranks": found.ranks[start:end].tolist(),
        "chosen": list(inside),
    }


def shown(piece: bytes) -> str:
    """A token's text: blanks as they are, line breaks also as a sign, other invisible characters and parts of
    characters written out."""
    text = piece.decode(errors="surrogateescape")
    return text if text.isprintable() else "".join(map(_character, text))


def exact(values: Floats) -> list[float | None]:
    """Float32 numbers as the shortest that name them; None for what is not finite."""
    return [float(f"{value:.9g}") if math.isfinite(value) else None for value in values.tolist()]


def _character(character: str) -> str:
    if character == "\n":
        return "↵\n"
    if character == "\t":
        return "⇥"
    if "\udc80" <= character <= "\udcff":  # a byte that is no character by itself
        return f"\\x{ord(character) - 0xDC00:02X}"
    return character if character == " " else inspector.readable(character)
