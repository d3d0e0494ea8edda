"""Refs: what an exhibit is called in addresses, reports and the API.

`run/ID/metric/CHART`, `run/ID/accuracy/MODE`, `run/ID/evaluations`, `run/ID/table/STEP/NAME`,
`run/ID/entropy/SPLIT/FIGURE/VOCABULARY`, `experiment/ID/accuracy`, `experiment/ID/scaling/RUN`,
`queue/ID/agreement/QUESTION/TABLE`; of several runs, which a basket names, `compare/12:standard,15@40/baseline/MODE`,
`baseline/MODE/hard`,
`matrix/MODE`, `parts/MODE`, `seeds/MODE`, `noise/MODE`, `settings/frozen`, `curves/metric=NAME`; of a position set
`board/SET/DIFFICULTY`, perhaps with filters; of experiments what the paper has, `paper/3,7/table-8/table/NAME`,
`paper/3,7/figure-5/scaling`, `paper/3,7/figure-5/fits`, `paper/3,7/table-1/board/SET`,
`paper/3,7/figure-4/averages/SET`; the table of runs `runs/table/QUERY`, the query being that of its address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rpt_web.compare.entries import PATTERN

COMPARE, BOARD, PAPER, RUNS = "compare", "board", "paper", "runs"
_SUBJECTS = {
    **dict.fromkeys(("run", "experiment", "queue"), re.compile(r"[0-9]{1,18}")),
    COMPARE: re.compile(rf"{PATTERN}(?:,{PATTERN})*"),
    PAPER: re.compile(r"[0-9]{1,18}(?:,[0-9]{1,18})*"),
    RUNS: re.compile("table"),
    BOARD: re.compile(r"[A-Za-z0-9]{1,32}"),
}
"""Kind -> how it writes what it is about."""
KINDS = tuple(_SUBJECTS)
LONGEST_REF = 400


@dataclass(frozen=True)
class ExhibitRef:
    """What it is about, and which exhibit of that."""

    kind: str
    """One of KINDS."""
    subject: str
    """An id; the entries of a basket; experiments; a position set."""
    rest: str

    @property
    def pk(self) -> int:
        """The id of the one thing that it is about. Raises ValueError for a ref of several things."""
        return int(self.subject)

    def __str__(self) -> str:
        return f"{self.kind}/{self.subject}/{self.rest}"


def parsed(text: str) -> ExhibitRef | None:
    """The ref; None for a text that is none."""
    kind, _, after = text.partition("/")
    subject, _, rest = after.partition("/")
    if kind not in KINDS or not _SUBJECTS[kind].fullmatch(subject) or not rest or "\x00" in text:
        return None
    return ExhibitRef(kind, subject, rest) if len(text) <= LONGEST_REF else None


def ref_of(kind: str, subject: str, rest: str) -> str:
    """A ref as pages write it; "" where it would be too long, or is none: then there is no menu."""
    text = f"{kind}/{subject}/{rest}"
    return text if parsed(text) else ""


def holds_settings(text: str) -> bool:
    """Whether the cells of an exhibit are values of settings, which may be paths and models of somebody."""
    ref = parsed(text)
    return ref is not None and ref.kind == COMPARE and ref.rest.startswith("settings/")
