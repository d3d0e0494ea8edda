"""The thresholds of the difficulty levels, in words, from the rows that were measured at them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rpt_core.config import DIFFICULTIES, PAPER_NATS
from rpt_web.results.models import Evaluation


def measured_levels(rows: Iterable[Evaluation]) -> str:
    """What the levels of these rows mean, in one sentence; runs that drew their levels elsewhere are pointed out."""
    found = {(row.difficulty, row.above_nats) for row in rows if row.difficulty in DIFFICULTIES}
    known = {(name, nats) for name, nats in found if nats is not None}
    if not known:
        return "Easy, medium and hard are nested levels of the proxy model's entropy."
    if len(known) > len({name for name, _ in known}):
        return (
            f"The runs' levels differ, so they cannot be compared: {_above(known)} nats of the proxy model's entropy."
        )
    unknown = " Some runs did not store theirs." if found - known else ""
    return f"The levels are nested, by the proxy model's entropy: {_above(known)} nats.{unknown}"


def counted_levels(event: Mapping[str, Any]) -> str:
    """At which thresholds a filter counted; before it wrote them they were always the paper's."""
    return f"nested: {_above(set((event.get('above_nats') or PAPER_NATS).items()))} nats"


def _above(known: set[tuple[str, float]]) -> str:
    parts = [
        f"{name} above {' or '.join(f'{nats:g}' for nats in sorted(n for level, n in known if level == name))}"
        for name in DIFFICULTIES
        if any(level == name for level, _ in known)
    ]
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
