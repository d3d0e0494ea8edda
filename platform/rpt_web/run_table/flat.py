"""The table as plain values, for files and programs: every column with what a cell of it shows beside its value.

In: `AskedTable` with rows or groups. Out: a `PlainTable`, whose columns are

    accuracy.hard.greedy            the value, with _low, _high, _n and _step
    a number of a group             the mean over its runs, with _low, _high and _n
    a setting                       its value; where runs have a list or an object, JSON
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rpt_web.exports import PlainColumn, PlainTable, estimate_cells, estimate_columns
from rpt_web.exports.tables import PlainKind, PlainValue
from rpt_web.run_table.cells import Cell
from rpt_web.run_table.columns import RunColumn, column
from rpt_web.run_table.groups import NAMED, GroupRow
from rpt_web.run_table.rows import AskedTable, TableRow

Record = Mapping[str, PlainValue]
_KINDS: Mapping[str, PlainKind] = {
    "integer": "count",
    "number": "number",
    "share": "share",
    "flops": "flops",
    "hours": "number",
    "bytes": "count",
    "time": "time",
}


def table_of_runs(asked: AskedTable, rows: Sequence[TableRow]) -> PlainTable:
    """A row for each run, its number and name first."""
    records = [_of_run(asked, row) for row in rows]
    first = [_plain_column(column(name), records) for name in ("id", "name")]
    return _table(asked, "runs", first, records)


def table_of_groups(asked: AskedTable, rows: Sequence[GroupRow]) -> PlainTable:
    """A row for each group, the columns that it is made by first."""
    records = [_of_group(asked, row) for row in rows]
    first = [_plain_column(key, records) for key in asked.group]
    first += [PlainColumn("runs", "Runs", "count"), PlainColumn("seeds", "Seeds", "count")]
    return _table(asked, "groups of runs", [*first, PlainColumn("run_ids", "Numbers of the runs")], records)


def _table(asked: AskedTable, title: str, first: Sequence[PlainColumn], records: Sequence[Record]) -> PlainTable:
    known = {one.key for one in first}
    columns = list(first)
    for one in asked.columns:
        if one.name not in known:
            columns += _columns_of(one, asked, records)
    came_from = [("condition", one.words) for one in asked.where]
    name = title.replace(" ", "-")
    return PlainTable(name, title.capitalize(), columns, records, came_from=came_from)


def _columns_of(asked: RunColumn, table: AskedTable, records: Sequence[Record]) -> list[PlainColumn]:
    if not _is_estimate(asked, table):
        return [_plain_column(asked, records)]
    found = list(estimate_columns(asked.name, asked.title, _KINDS[asked.kind]))
    if asked.family == "accuracy" and not table.group:
        found.append(PlainColumn(f"{asked.name}_step", f"{asked.title}, step", "count"))
    return found


def _is_estimate(asked: RunColumn, table: AskedTable) -> bool:
    """Whether it comes with an interval and n."""
    if not table.group:
        return asked.family == "accuracy"
    return asked.kind in _KINDS and asked.kind != "time" and asked.name not in NAMED


def _plain_column(asked: RunColumn, records: Sequence[Record]) -> PlainColumn:
    if asked.kind != "setting":
        return PlainColumn(asked.name, asked.title, _KINDS.get(asked.kind, "text"))
    values = [record[asked.name] for record in records if record.get(asked.name) is not None]
    if values and all(isinstance(value, bool) for value in values):
        return PlainColumn(asked.name, asked.title, "yes_or_no")
    are_numbers = values and all(isinstance(value, int | float) for value in values)
    return PlainColumn(asked.name, asked.title, "number" if are_numbers else "text")


def _of_run(asked: AskedTable, row: TableRow) -> dict[str, PlainValue]:
    values: dict[str, PlainValue] = {"id": row.run.pk, "name": row.run.name}
    for one, cell in zip(asked.columns, row.cells, strict=True):
        values |= _values_of(one, cell, asked)
        if one.family == "accuracy":
            values[f"{one.name}_step"] = cell.step
    return values


def _of_group(asked: AskedTable, row: GroupRow) -> dict[str, PlainValue]:
    values: dict[str, PlainValue] = {}
    for one, cell in zip(asked.columns, row.cells, strict=True):
        values |= _values_of(one, cell, asked)
    keys = {key.name: _plain(cell.value) for key, cell in zip(asked.group, row.keys, strict=True)}
    run_ids = " ".join(map(str, sorted(row.run_ids)))
    return {**values, **keys, "runs": len(row.run_ids), "seeds": row.seeds, "run_ids": run_ids}


def _values_of(asked: RunColumn, cell: Cell, table: AskedTable) -> dict[str, PlainValue]:
    if _is_estimate(asked, table):
        return estimate_cells(asked.name, cell.value, cell.low, cell.high, cell.n)
    return {asked.name: cell.words or _plain(cell.value)}


def _plain(value: Any) -> PlainValue:
    """A value that a file can hold: lists of texts as one text, other lists and objects as JSON."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value) or None
    found: PlainValue = json.dumps(value, sort_keys=True) if isinstance(value, list | dict) else value
    return found
