"""Refs: what an exhibit is called in addresses, reports and the API.

`run/ID/metric/CHART`, `run/ID/accuracy/MODE`, `run/ID/evaluations`, `run/ID/table/STEP/NAME`,
`run/ID/entropy/SPLIT/FIGURE/VOCABULARY`, `experiment/ID/accuracy`, `experiment/ID/scaling/RUN`,
`queue/ID/agreement/QUESTION/TABLE`.
"""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("run", "experiment", "queue")
LONGEST_REF = 400


@dataclass(frozen=True)
class ExhibitRef:
    """What it is about, and which exhibit of that."""

    kind: str
    """One of KINDS."""
    pk: int
    rest: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.pk}/{self.rest}"


def parsed(text: str) -> ExhibitRef | None:
    """The ref; None for a text that is none."""
    kind, _, after = text.partition("/")
    number, _, rest = after.partition("/")
    is_number = number.isascii() and number.isdecimal() and len(number) < 19
    if kind not in KINDS or not is_number or not rest or len(text) > LONGEST_REF:
        return None
    return ExhibitRef(kind, int(number), rest)
