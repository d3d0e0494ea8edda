"""Items of the API as `pyarrow` tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

Items = Iterable[Mapping[str, Any]]
_TIMES = ("time", "at", "created_at", "started_at", "finished_at", "archived_at", "submitted_at")
"""What the API writes as text, and tables hold as times."""


def table(items: Items) -> pa.Table:
    """A row for each item, a column for each of its names, null where an item lacks it. Times are UTC, objects JSON."""
    rows = [dict(item) for item in items]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: _column(name, [row.get(name) for row in rows]) for name in names})


def metrics_table(items: Items) -> pa.Table:
    """step, attempt, time, flops (so far), then a column for each metric: null at steps that have no such number.

    A metric named like one of the first columns is called `metric.NAME`: `metric.flops` is that of its step alone.
    """
    found = list(items)
    own = [name for name in found[0] if name != "values"] if found else []
    titles = {name: f"metric.{name}" if name in own else name for item in found for name in item["values"]}
    rows = [
        {name: item[name] for name in own} | {titles[name]: value for name, value in item["values"].items()}
        for item in found
    ]
    return table(rows).select([*own, *(titles[name] for name in sorted(titles))]) if found else table([])


def _column(name: str, values: list[Any]) -> pa.Array:
    if name in _TIMES:
        return pa.array(values, pa.string()).cast(pa.timestamp("us", tz="UTC"))
    if any(isinstance(value, float) for value in values) and all(
        value is None or isinstance(value, float | int) for value in values
    ):
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    if any(_is_nested(value) for value in values):
        return pa.array([None if value is None else json.dumps(value) for value in values], pa.string())
    return pa.array(values)


def _is_nested(value: Any) -> bool:
    """What differs from row to row in its names, and so fits no type: it becomes JSON."""
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict | list) for item in value))
