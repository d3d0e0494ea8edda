"""A position in its text, as a filter run has scored it: the tokens around it with their entropy.

In: a position, the runs that used it. Out: tokens before and after it, from the first filter run, of those that these
runs read, that still has the document; None without one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from django.contrib.auth.models import AnonymousUser

from rpt_core.config import PAPER_NATS
from rpt_core.positions.maps import DocumentMap
from rpt_core.text.names import text_digest
from rpt_web import access
from rpt_web.corpora import token_maps
from rpt_web.pages.token_maps.windows import shown
from rpt_web.runs.models import ParentRole, Run, RunParent
from rpt_web.runs.queries import UNLISTED
from rpt_web.teams.models import User
from rpt_web.traces.models import CorpusPosition

BEFORE, AFTER = 120, 40
"""Tokens shown around the position."""
MOST_FILTERS = 3
"""Filter runs that are looked into."""


@dataclass(frozen=True)
class ContextToken:
    """A token with its entropy."""

    text: str
    nats: float | None
    level: str
    """The hardest difficulty that it reaches; empty for none."""
    is_position: bool
    is_target: bool


@dataclass(frozen=True)
class ScoredContext:
    """The tokens around a position."""

    run: Run
    split: str
    row: int
    token: int
    tokens: tuple[ContextToken, ...]
    nats: float | None
    starts_at: int
    of: int


def scored_context(
    user: User | AnonymousUser, position: CorpusPosition, document: str, runs: Iterable[int]
) -> ScoredContext | None:
    """The tokens around the position."""
    if position.byte_offset < 0:
        return None
    parents = RunParent.objects.filter(run__in=list(runs), role=ParentRole.READS, parent__stage="filter")
    ids = list(dict.fromkeys(parents.order_by("-parent").values_list("parent", flat=True)))[:MOST_FILTERS]
    for run in access.runs_for(user).filter(pk__in=ids).defer(*UNLISTED):
        for split in token_maps.SPLITS:
            if (found := _document(run, split, document, bytes(position.text_hash))) is not None:
                return _around(run, split, found, position.byte_offset)
    return None


def _document(run: Run, split: str, document: str, text_hash: bytes) -> DocumentMap | None:
    """The document, if it is the same text."""
    try:
        row = token_maps.positions_file(run, split).row_of(document)
        found = None if row is None else token_maps.document_map(run, split, row)
    except (OSError, ValueError, IndexError):  # pyarrow's errors are ValueErrors
        return None
    return found if found is not None and text_digest(found.text) == text_hash else None


def _around(run: Run, split: str, found: DocumentMap, byte_offset: int) -> ScoredContext | None:
    token = int(np.searchsorted(found.byte_offsets, byte_offset))
    if token >= found.tokens:
        return None
    start = max(0, token - BEFORE)
    tokens = tuple(_token(found, index, token) for index in range(start, min(found.tokens, token + AFTER)))
    nats = float(found.entropies[token])
    return ScoredContext(run, split, found.row, token, tokens, nats if np.isfinite(nats) else None, start, found.tokens)


def _token(found: DocumentMap, index: int, position: int) -> ContextToken:
    nats = float(found.entropies[index])
    is_finite = bool(np.isfinite(nats))
    levels = [level for level, above in PAPER_NATS.items() if is_finite and nats > above]
    return ContextToken(
        text=shown(found.piece(index)),
        nats=nats if is_finite else None,
        level=levels[-1] if levels else "",
        is_position=index == position,
        is_target=index >= position,
    )
