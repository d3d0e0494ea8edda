"""Runs of the table as groups: those that agree in some columns are one row, with means over the runs.

A mean has a 95 % interval over seeds (Student's t) where each run of the group has a seed of its own. Where a seed
occurs twice the runs differ in something else, so that they are no repetitions: the mean stands without an interval,
and the row says why.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from rpt_core.errors import UserError
from rpt_core.statistics.seeds import SHARES, across_seeds
from rpt_web.run_table.cells import EMPTY, Cell, cells_of
from rpt_web.run_table.columns import RunColumn, column
from rpt_web.run_table.conditions import NONE
from rpt_web.run_table.rows import PER_PAGE, AskedTable, all_ids
from rpt_web.runs.models import Run

MOST_RUNS = 5000
NAMED = ("id", "seed")
"""Whole numbers that are names: they are listed, not averaged."""
LISTED = 6


@dataclass(frozen=True)
class GroupRow:
    """Runs that agree in the columns by which they are grouped."""

    keys: Sequence[Cell]
    members: Mapping[str, str]
    """RunColumn -> the value as a condition has it."""
    run_ids: Sequence[int]
    """The newest first."""
    seeds: int
    cells: Sequence[Cell]


@dataclass(frozen=True)
class TableGroups:
    """One page; `next`: how many groups were shown by then."""

    rows: Sequence[GroupRow]
    total: int
    """Groups."""
    runs: int
    next: int | None = None


def groups(runs: QuerySet[Run], asked: AskedTable, after: int | None = None, limit: int = PER_PAGE) -> TableGroups:
    """One page of groups. Raises UserError where more runs fit than are grouped at once."""
    ids = all_ids(runs, AskedTable(asked.columns, asked.where, archived=asked.archived), MOST_RUNS + 1)
    if len(ids) > MOST_RUNS:
        raise UserError(f"More than {MOST_RUNS:,} runs fit, and that many are grouped at once. Add a condition.")
    found = _in_order(_grouped(ids, asked), asked)
    start = after or 0
    end = start + limit
    return TableGroups(found[start:end], len(found), len(ids), end if len(found) > end else None)


def _grouped(ids: Sequence[int], asked: AskedTable) -> list[GroupRow]:
    extra = [asked.sort] if asked.sort is not None else []
    wanted = [*asked.group, column("seed"), *asked.columns, *extra]
    cells, keys = cells_of(ids, wanted), len(asked.group)
    together: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for run in ids:
        together[tuple(_written(cell.value) for cell in cells[run][:keys])].append(run)
    return [
        GroupRow(
            cells[members[0]][:keys],
            dict(zip((key.name for key in asked.group), values, strict=True)),
            members,
            len({cells[run][keys].value for run in members}),
            _summed_up(wanted[keys + 1 :], [cells[run][keys:] for run in members]),
        )
        for values, members in together.items()
    ]


def _summed_up(columns: Sequence[RunColumn], rows: Sequence[Sequence[Cell]]) -> list[Cell]:
    """rows: of each run its seed and its cells."""
    are_repetitions = len({row[0].value for row in rows}) == len(rows)
    return [
        _of_several(one, [row[number] for row in rows], are_repetitions) for number, one in enumerate(columns, start=1)
    ]


def _of_several(asked: RunColumn, cells: Sequence[Cell], are_repetitions: bool) -> Cell:
    values = [cell.value for cell in cells if not cell.is_missing]
    if not values:
        return EMPTY
    if asked.is_number and asked.name not in NAMED:
        return _mean(asked, [float(value) for value in values], are_repetitions)
    distinct = list({_written(value): value for value in values}.values())
    if len(distinct) == 1:
        return Cell(distinct[0])
    if (asked.name in NAMED or asked.kind == "setting") and len(distinct) <= LISTED:
        return Cell(words=", ".join(_written(value) for value in sorted(distinct, key=_place)))
    return Cell(words=f"{len(distinct)} values")


def _mean(asked: RunColumn, values: Sequence[float], are_repetitions: bool) -> Cell:
    found = across_seeds(values, SHARES if asked.kind == "share" else None)
    if found is None:
        return EMPTY
    low, high = (found.low, found.high) if are_repetitions else (None, None)
    return Cell(found.value, low, high, len(values))


def _in_order(found: list[GroupRow], asked: AskedTable) -> list[GroupRow]:
    """Those without a value last; equal ones, and all without an order, by their newest run."""
    found.sort(key=lambda row: -row.run_ids[0])
    if asked.sort is None:
        return found
    names = [key.name for key in asked.group]

    def value(row: GroupRow) -> Any:
        name = asked.sort.name  # type: ignore[union-attr]  # looked at above
        return row.keys[names.index(name)].value if name in names else row.cells[-1].value

    there = [row for row in found if value(row) is not None]
    there.sort(key=lambda row: _place(value(row)), reverse=asked.is_falling)
    kept = len(asked.columns)
    ordered = [*there, *(row for row in found if value(row) is None)]
    return [GroupRow(row.keys, row.members, row.run_ids, row.seeds, row.cells[:kept]) for row in ordered]


def _place(value: Any) -> tuple[int, Any]:
    """Numbers before texts before all else, as far as they can be compared."""
    if _is_number(value):
        return 0, float(value)
    if isinstance(value, datetime):
        return 1, value.isoformat()
    return 2, _written(value)


def _written(value: Any) -> str:
    """A value as a condition on it has it."""
    if value is None:
        return NONE
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        return json.dumps(value) if value == NONE or value != value.strip() or value.startswith('"') else value
    return json.dumps(value, sort_keys=True)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
