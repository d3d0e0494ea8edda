"""What must be said beside an accuracy before anybody reads it: too few positions, responses that give no answer.

In: rows of `Evaluation`. Out: sentences; none where nothing is to be said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from rpt_core.plans.preset import Preset, load_preset, preset_names
from rpt_web.numbers import points
from rpt_web.results.models import Evaluation

FEW_POSITIONS = 100
"""With fewer positions a 95 % interval is up to 20 points wide or wider."""
LOST_FORMAT = 0.5
"""Share of responses without a box above which the format counts as lost."""
FORMAT_WORDS = "lost the response format"
"""Of the flag that says so."""


@cache
def shipped(name: str) -> Preset | None:
    """The preset of that name, which says what its results show; None where none of that name is shipped."""
    return load_preset(name) if name in preset_names() else None


def of_size(preset: str, rows: Iterable[Evaluation]) -> list[str]:
    """Why the size of what was run takes the meaning from its numbers."""
    known = shipped(preset)
    found = [known.caution] if known and known.caution else []
    fewest = min((row.n for row in rows), default=FEW_POSITIONS)
    if fewest < FEW_POSITIONS:
        found.append(f"Measured at {fewest} position{'' if fewest == 1 else 's'} only: too few to claim anything.")
    return found


def of_format(rows: Sequence[Evaluation]) -> str:
    """That most responses have no box, of one model or of some of several seeds; "" where that is not so."""
    shares = [row.no_box for row in rows if row.no_box is not None]
    lost = [share for share in shares if share > LOST_FORMAT]
    if not lost:
        return ""
    seeds = f" in {len(lost)} of {len(rows)} seeds" if len(rows) > 1 else ""
    span = points(lost[0]) if len(lost) == 1 else f"{points(min(lost))} to {points(max(lost))}"
    return (
        f"Most responses have no box{seeds} ({span}\u00a0%): the response format is lost, and a missing answer counts "
        "as wrong. That says nothing about how well it reasons."
    )
