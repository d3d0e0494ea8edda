"""A position in all runs as a filmstrip: a row for each run and kind, a column for each step.

In: groups of responses at one position. Out: rows of cells, at most so many steps, the newest. Pure functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rpt_web.traces.models import KINDS

MOST_STEPS = 60
MOST_ROWS = 40


class FilmCell(NamedTuple):
    """What a filmstrip shows of a group, under the names of its columns: there may be thousands."""

    id: int
    run_id: int
    step: int
    kind: str
    group: int
    pass_rate: float
    rewarded: int
    samples: int
    majority: bytes | None
    predictions: int
    tokens_mean: float
    first_solved: bool
    forgotten: bool


@dataclass(frozen=True)
class FilmRow:
    """A run in one way of asking."""

    run_id: int
    kind: str
    cells: tuple[FilmCell | None, ...]


@dataclass(frozen=True)
class Filmstrip:
    """All of it."""

    steps: tuple[int, ...]
    rows: tuple[FilmRow, ...]
    left_out_steps: int
    left_out_rows: int


def filmstrip(groups: Iterable[FilmCell], order: Sequence[int]) -> Filmstrip:
    """The strip. order: ids of runs, as their rows stand; a step with several groups at the position has the last."""
    found: dict[tuple[int, str], dict[int, FilmCell]] = {}
    for group in groups:
        found.setdefault((group.run_id, group.kind), {})[group.step] = group
    steps = sorted({step for cells in found.values() for step in cells})
    shown = steps[-MOST_STEPS:]
    place = {run: index for index, run in enumerate(order)}
    keys = sorted(found, key=lambda key: (place.get(key[0], len(place)), KINDS.index(key[1])))
    rows = [FilmRow(run, kind, tuple(found[run, kind].get(step) for step in shown)) for run, kind in keys[:MOST_ROWS]]
    return Filmstrip(tuple(shown), tuple(rows), len(steps) - len(shown), len(keys) - len(rows))
