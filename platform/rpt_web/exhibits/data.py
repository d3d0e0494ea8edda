"""The data of figures and tables as plain tables: the same numbers that are drawn and written, unrounded.

In: figures, evaluations, result tables, blocks of the table of an experiment. Out: columns and rows.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rpt_core.config import DIFFICULTIES
from rpt_web.exports import PlainColumn, PlainTable, estimate_cells, estimate_columns
from rpt_web.exports.tables import PlainKind, PlainValue
from rpt_web.results.figures import Figure, Json
from rpt_web.results.models import Evaluation
from rpt_web.results.queries import ModelBlock, ModelRow
from rpt_web.results.tables import with_paths
from rpt_web.runs.queries import MetricSeries

_ESTIMATE = ("value", "low", "high", "n")


def of_drawing(figure: Figure, name: str) -> PlainTable:
    """What a figure draws, point by point: series, x, y, and where there are any the interval and n. Bands are left
    out, for their edges are the intervals."""
    x, y = (_axis(figure.layout[f"{axis}axis"], axis) for axis in ("x", "y"))
    points = [point for trace in figure.data if not trace["meta"].get("band") for point in _points(trace)]
    with_interval = any(point["low"] is not None for point in points)
    is_text = any(isinstance(point["x"], str) for point in points)
    ys = estimate_columns("y", y[0], y[1]) if with_interval else (PlainColumn("y", *y),)
    columns = (PlainColumn("series", "Series"), PlainColumn("x", x[0], "text" if is_text else x[1]), *ys)
    rows: list[Mapping[str, PlainValue]] = [
        {"series": point["series"], "x": point["x"]}
        | estimate_cells("y", point["y"], point["low"], point["high"], point["n"])
        for point in points
    ]
    return PlainTable(name, figure.title, columns, rows, figure.caption)


def of_metrics(figure: Figure, series: MetricSeries, name: str) -> PlainTable:
    """A chart of metrics: one row for each step that is drawn, one column for each metric."""
    metrics = [(trace["meta"]["metric"], html.unescape(trace["name"])) for trace in figure.data]
    kind: PlainKind = _axis(figure.layout["yaxis"], "y")[1]
    columns = [PlainColumn("step", "Step", "count"), *(PlainColumn(key, label, kind) for key, label in metrics)]
    rows: list[dict[str, PlainValue]] = [
        {"step": step} | {key: series.values[key][place] for key, _ in metrics}
        for place, step in enumerate(series.steps)
    ]
    return PlainTable(name, figure.title, columns, rows, figure.caption)


def of_steps(found: Iterable[tuple[int, Sequence[ModelRow]]], name: str, title: str, caption: str) -> PlainTable:
    """A run's evaluations: one row for each step and mode."""
    columns = (PlainColumn("step", "Step", "count"), PlainColumn("mode", "Mode"), *_levels())
    rows = [{"step": step, "mode": row.label, **_cells(row.cells)} for step, own in found for row in own]
    return PlainTable(name, title, columns, rows, caption)


def of_blocks(seeds: Iterable[tuple[str, Sequence[ModelBlock]]], name: str, title: str, caption: str) -> PlainTable:
    """The table of an experiment: one row for each model and mode; the seed where it has several copies."""
    found = list(seeds)
    columns = (
        *([PlainColumn("seed", "Seed")] if any(seed for seed, _ in found) else []),
        *(PlainColumn("model", "Model"), PlainColumn("note", "What it is")),
        *(PlainColumn("run", "Run", "count"), PlainColumn("step", "Step", "count"), PlainColumn("mode", "Mode")),
        PlainColumn("flops", "Training compute", "flops"),
        *_levels(),
    )
    rows: list[Mapping[str, PlainValue]] = [
        {
            **{"seed": seed or None, "model": block.title, "note": block.note, "run": block.run.pk},
            **{"step": block.step, "mode": row.label, "flops": block.flops},
            **_cells(row.cells),
        }
        for seed, blocks in found
        for block in blocks
        for row in block.rows
    ]
    return PlainTable(name, title, columns, rows, caption)


def of_result_table(data: Json, name: str, title: str) -> PlainTable:
    """A stage's table. An estimate has columns for its interval and n."""
    rows = [with_paths(row) for row in data["rows"]]
    columns: list[PlainColumn] = []
    for column in data["columns"]:
        key, label, kind = column["key"], column["label"], column["kind"]
        is_estimate = any(isinstance(row.get(key), dict) for row in rows)
        columns += estimate_columns(key, label, kind) if is_estimate else [PlainColumn(key, label, kind)]
    return PlainTable(name, title, columns, [_plain_row(row) for row in rows], data["caption"])


def file_name(*parts: object) -> str:
    """Parts of a name as a file may be called."""
    joined = "-".join(str(part) for part in parts)
    return re.sub(r"[^A-Za-z0-9._]+", "-", joined).strip("-.")[:100] or "table"


def _plain_row(row: Mapping[str, Any]) -> dict[str, PlainValue]:
    cells: dict[str, PlainValue] = {}
    for key, cell in row.items():
        parts = [cell.get(name) for name in _ESTIMATE] if isinstance(cell, dict) else []
        cells |= estimate_cells(key, *parts) if parts else {key: cell}
    return cells


def _levels() -> list[PlainColumn]:
    return [column for level in DIFFICULTIES for column in estimate_columns(level, level.capitalize())]


def _cells(cells: Mapping[str, Evaluation | None]) -> dict[str, PlainValue]:
    found: dict[str, PlainValue] = {}
    for level, row in cells.items():
        found |= estimate_cells(level, row.value, row.low, row.high, row.n) if row else {}
    return found


def _axis(axis: Json, other: str) -> tuple[str, PlainKind]:
    """An axis' title and the kind of its values."""
    title = html.unescape(axis.get("title", {}).get("text", "") or other)
    return title, "share" if axis.get("tickformat") == "~%" else "number"


def _points(trace: Json) -> list[dict[str, Any]]:
    name, length = html.unescape(str(trace["name"])), len(trace["x"])
    more = trace.get("customdata") or [[None, None, None]] * length
    return [
        {"series": name, "x": html.unescape(x) if isinstance(x, str) else x, "y": y}
        | {"low": own[0], "high": own[1], "n": own[2]}
        for x, y, own in zip(trace["x"], trace["y"], more, strict=True)
    ]
