"""Rows of a leaderboard as its page writes them: each number with its interval, and where it leads.

In: a `Board`, the stored differences to its baseline. Out: `BoardLine`s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from rpt_core.config import DIFFICULTIES
from rpt_web.compare.entries import MODES, BasketEntry, query_of, read_entries
from rpt_web.numbers import signed_points
from rpt_web.pages.group_addresses import (
    KINDS_OF_MODES,
    WITHOUT_THINKING,
    address_of_evaluations,
    address_of_positions,
    experiment_page,
    run_page,
)
from rpt_web.results.board import Board, BoardRow
from rpt_web.results.leads import StoredLeads, leads_of_row
from rpt_web.results.lineage import seeds_in_words
from rpt_web.results.models import Standing
from rpt_web.runs.same_names import marks

NOT_RANKED = "not ranked"
COMPARED = 10
"""Rows of a board that its link to the comparison names."""


@dataclass(frozen=True)
class CellLine:
    """One accuracy: of the row's model, or the mean over its seeds."""

    difficulty: str
    number: Any
    """With value, low, high, n and difficulty; None where it was not measured."""
    address: str
    gain: str
    gain_words: str
    lead: str
    lead_words: str


@dataclass(frozen=True)
class MemberLine:
    """One seed of a row."""

    known: Mapping[str, Any]
    address: str
    """Of what it was measured by."""
    value: float | None


@dataclass(frozen=True)
class BoardLine:
    """A row with what the page says of it."""

    row: BoardRow
    cells: Sequence[CellLine]
    members: Sequence[MemberLine]
    """Its seeds, where its numbers are means over several."""
    is_baseline: bool
    versus: str = ""
    """The comparison with the board's baseline, or with its first row where it has none; "" where there is none."""
    heading: str = ""
    """What begins with it: the ranking of a mode, or the rows that are not ranked; "" where nothing does."""
    number: str = ""
    """Of the run that made the model, where another row is called the same."""

    @property
    def standing(self) -> Standing:
        """The stored row."""
        return self.row.standing

    @property
    def run(self) -> int | None:
        """The run that made the model; of the first seed where there are several."""
        found: int | None = self.standing.members[0]["run"]
        return found

    @property
    def run_page(self) -> str:
        """That run's page; "" without one."""
        return run_page(self.run) if self.run else ""

    @property
    def experiment_page(self) -> str:
        """The page of the row's experiment."""
        return experiment_page(self.standing.experiment_id)

    @property
    def picks(self) -> str:
        """Its models as a comparison's address names them; "" where no run here has made one."""
        return ",".join(_names([self.standing]))

    @property
    def seeds(self) -> str:
        """In words; "" for a model that no run here has made."""
        return seeds_in_words(self.standing.seeds) if self.standing.seeds else ""

    @property
    def step(self) -> int:
        """Of the checkpoint."""
        return int(self.standing.members[0]["step"])

    @property
    def is_mean(self) -> bool:
        """Whether its numbers are means over seeds."""
        return bool(self.members)


def lines_of(board: Board, leads: StoredLeads, is_pinned: bool) -> list[BoardLine]:
    """The rows of a board, easy to hard in each."""
    lines = _told_apart([_line(row, board, leads, is_pinned) for row in board.rows])
    return _headed(lines) if len({row.standing.mode for row in board.rows}) > 1 else lines


def lines_elsewhere(rows: Sequence[BoardRow], difficulty: str) -> list[BoardLine]:
    """Rows of other boards, beside one: without differences to its baseline."""
    return _told_apart(
        [
            BoardLine(
                row, [_cell(row.standing, level, "", "") for level in DIFFICULTIES], _members(row, difficulty), False
            )
            for row in rows
        ]
    )


def _headed(lines: Sequence[BoardLine]) -> list[BoardLine]:
    """The lines, the first of each mode's ranking and the first that is not ranked with what begins there."""
    heads = [line.row.mode_words if line.row.rank is not None else NOT_RANKED for line in lines]
    before = ["", *heads]
    return [
        replace(line, heading=head if head != last else "")
        for line, head, last in zip(lines, heads, before, strict=False)
    ]


def _told_apart(lines: Sequence[BoardLine]) -> list[BoardLine]:
    """The lines, those of one name with the numbers of their runs."""
    names = {line.run: f"{line.standing.name}\n{line.standing.experiment.name}" for line in lines if line.run}
    numbers = marks(names)
    return [replace(line, number=numbers.get(line.run or 0, "")) for line in lines]


def compare_address(rows: Sequence[Standing]) -> str:
    """The comparison of the models of these rows, the first one its baseline; "" where fewer than two are of runs."""
    listed, _ = read_entries(",".join(_names(rows)))
    return f"{reverse('compare:basket')}?{urlencode(query_of(listed), safe=',@:')}" if len(listed) > 1 else ""


def compared(board: Board) -> str:
    """A board's first ranked rows as a comparison's address names them, its baseline first."""
    ranked = _ranked(board)
    by_position = [row for row in ranked if row.mode in MODES] or ranked
    return ",".join(_names([*filter(None, [board.baseline]), *by_position[:COMPARED]]))


def _ranked(board: Board) -> list[Standing]:
    return [row.standing for row in board.rows if row.rank is not None]


def _names(rows: Sequence[Standing]) -> list[str]:
    """Each model once for each mode; modes that are not compared position by position are left out."""
    names = [
        str(BasketEntry(member["run"], member["step"], row.mode if row.mode in MODES else ""))
        for row in rows
        for member in row.members
        if member["run"]
    ]
    return list(dict.fromkeys(names))


def _line(row: BoardRow, board: Board, leads: StoredLeads, is_pinned: bool) -> BoardLine:
    standing, baseline = row.standing, board.baseline
    is_baseline = baseline is not None and baseline.pk == standing.pk
    own = leads_of_row(row, board, leads, is_pinned=is_pinned)
    cells = [
        _cell(standing, level, signed_points(own[level].value), own[level].words)
        if level in own
        else _cell(standing, level, "", "")
        for level in DIFFICULTIES
    ]
    first = baseline or _first_beside(standing, board)
    versus = compare_address([first, standing]) if first is not None and first.pk != standing.pk else ""
    return BoardLine(row, cells, _members(row, board.difficulty), is_baseline, versus)


def _first_beside(standing: Standing, board: Board) -> Standing | None:
    """The first ranked row of the same mode; for that one itself, the first of all."""
    ranked = _ranked(board)
    alike = next((row for row in ranked if row.mode == standing.mode), None)
    return alike if alike is not None and alike.pk != standing.pk else next(iter(ranked), None)


def _cell(standing: Standing, level: str, lead: str, lead_words: str) -> CellLine:
    found, gain = standing.cells.get(level), standing.gains.get(level)
    number = SimpleNamespace(difficulty=level, **found) if found else None
    return CellLine(
        level,
        number,
        _address_of_all(standing, level) if found else "",
        signed_points(gain["value"]) if gain else "",
        _interval(gain) if gain else "",
        lead,
        lead_words,
    )


def _address_of_all(standing: Standing, level: str) -> str:
    """What is behind a row's accuracy; a mean without thinking has it at each of its seeds."""
    members = standing.members
    return (
        _address(members[0], standing.mode, level) if len(members) == 1 else _responses(members, standing.mode, level)
    )


def _interval(found: Mapping[str, Any]) -> str:
    """A difference's interval and how it was found."""
    if found["low"] is None:
        return found["how"] if found["how"].startswith("no interval") else "no interval: all alike"
    return f"{signed_points(found['low'])} to {signed_points(found['high'])}, {found['how']}"


def _members(row: BoardRow, difficulty: str) -> list[MemberLine]:
    mode, members = row.standing.mode, row.standing.members
    return [
        MemberLine(known, _address(known, mode, difficulty), known["values"].get(difficulty))
        for known in (members if len(members) > 1 else ())
    ]


def _address(member: Mapping[str, Any], mode: str, level: str) -> str:
    """The responses behind an accuracy, or its positions where none were written."""
    if mode == WITHOUT_THINKING:
        return address_of_positions(member["measured_by"], member["measured_step"], mode, level)
    return _responses([member], mode, level)


def _responses(members: Sequence[Mapping[str, Any]], mode: str, level: str) -> str:
    """Those behind the accuracy of one member or the mean of several; "" where none were written."""
    kind = KINDS_OF_MODES.get(mode, "sampled" if mode.startswith("pass@") else "")
    at = [(member["measured_by"], member["measured_step"]) for member in members]
    return address_of_evaluations(at, kind, difficulty=level) if kind else ""
