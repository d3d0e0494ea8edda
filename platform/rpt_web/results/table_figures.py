"""The figure of a result table, drawn as the stage's `Chart` says: lines with a band, points or bars with error bars.

In: a table's data as JSON. Out: a `Figure` without colours, or None when the table asks for none or nothing can be
drawn. An estimate brings its 95 % interval and its n; a missing value stays a gap. Differences are drawn in points.
A trace's `meta` says of which rows (from 0) and which column its points are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rpt_core.config import DIFFICULTIES
from rpt_web.results.figures import Axis, Figure, Json, layout, line, log_ticks, plain

COLOURS = 6
_UNITS = {"difference": "points", "seconds": "seconds", "tokens": "tokens", "flops": "FLOPs"}
_SHOWN = {"share": ":.1%", "difference": ":+.1f", "count": ":,d", "tokens": ":,.3s", "flops": ":.3s", "seconds": ":.3g"}
_DASHES = ("solid", "dash", "dot")


@dataclass(frozen=True)
class Point:
    """One place of a series. `y` is None where the table has nothing."""

    row: int
    """Of the table, from 0."""
    x: Any
    y: float | None
    low: float | None
    high: float | None
    n: int | None


@dataclass(frozen=True)
class DrawnSeries:
    """What is drawn in one colour."""

    label: str
    column: str
    """Its key."""
    kind: str
    points: list[Point]


def table_figure(id_: str, title: str, data: Json) -> Figure | None:
    """The figure of a table."""
    chart = data["chart"]
    if chart is None:
        return None
    columns = {column["key"]: column for column in data["columns"]}
    found = [series for series in _series(chart, columns, data["rows"]) if any(p.y is not None for p in series.points)]
    if not found:
        return None
    return Figure(
        id=id_,
        title=title,
        caption=_caption(chart["kind"], found),
        data=[trace for number, series in enumerate(found) for trace in _traces(chart["kind"], series, number)],
        layout=_layout(chart, columns, found),
        tall=True,
    )


def _series(chart: Json, columns: dict[str, Json], rows: Sequence[Json]) -> Iterable[DrawnSeries]:
    """One series for each value of the group's column and each y."""
    key = chart["group"]
    groups = list(dict.fromkeys(_text(row[key]) for row in rows)) if key else [""]
    for group in groups:
        members = [(place, row) for place, row in enumerate(rows) if not key or _text(row[key]) == group]
        for y in chart["y"]:
            label = ", ".join(part for part in (group, columns[y]["label"] if len(chart["y"]) > 1 else "") if part)
            kind = columns[y]["kind"]
            points = [
                _point(place, row[chart["x"]], row[y], kind)
                for place, row in members
                if _value(row[chart["x"]]) is not None
            ]
            yield DrawnSeries(label or columns[y]["label"], y, kind, points)


def _point(row: int, x: Any, cell: Any, kind: str) -> Point:
    scale = 100.0 if kind == "difference" else 1.0
    parts = cell if isinstance(cell, dict) else {"value": cell}
    value, low, high = (_scaled(parts.get(name), scale) for name in ("value", "low", "high"))
    place = _value(x)
    return Point(row, plain(place) if isinstance(place, str) else place, value, low, high, parts.get("n"))


def _traces(kind: str, series: DrawnSeries, number: int) -> list[Json]:
    colour = series.label if series.label in DIFFICULTIES else f"series-{number % COLOURS + 1}"
    points = series.points
    if kind == "line" and all(isinstance(point.x, int | float) for point in points):
        points = sorted(points, key=lambda point: point.x)
    meta = {"rows": [point.row for point in points], "column": series.column}
    more: Json = {"legendgroup": series.label, "meta": meta, **_hover(series.kind, points)}
    x, y = [point.x for point in points], [point.y for point in points]
    if kind == "bars":
        return [_bars(line(series.label, colour, x, y, **more, **_error_bars(points)))]
    if kind == "points":
        return [line(series.label, colour, x, y, mode="markers", **more, **_error_bars(points))]
    dash = {"dash": _DASHES[number // COLOURS % len(_DASHES)]}
    mode = "lines+markers" if len(points) < 40 else "lines"
    return [*_band(series.label, colour, points), line(series.label, colour, x, y, mode=mode, line=dash, **more)]


def _bars(trace: Json) -> Json:
    return {name: value for name, value in trace.items() if name != "mode"} | {"type": "bar"}


def _error_bars(points: Sequence[Point]) -> Json:
    if all(point.high is None and point.low is None for point in points):
        return {}
    above = [_distance(point.high, point.y) for point in points]
    below = [_distance(point.y, point.low) for point in points]
    return {"error_y": {"type": "data", "symmetric": False, "array": above, "arrayminus": below}}


def _band(label: str, colour: str, points: Sequence[Point]) -> list[Json]:
    """The interval of a line as a filled area: its upper edge forth, its lower edge back."""
    inside = [point for point in points if point.low is not None and point.high is not None]
    if len(inside) < 2:
        return []
    x = [point.x for point in inside]
    return [
        line(
            f"{label}, 95 % interval",
            colour,
            [*x, *reversed(x)],
            [*(point.high for point in inside), *(point.low for point in reversed(inside))],
            legendgroup=label,
            showlegend=False,
            hoverinfo="skip",
            fill="toself",
            line={"width": 0},
            meta={"band": True},
        )
    ]


def _hover(kind: str, points: Sequence[Point]) -> Json:
    """What the pointer shows: the value, and where there are any the interval and n."""
    shown = _SHOWN.get(kind, ":.4g")
    text = f"%{{y{shown}}}"
    if any(point.low is not None for point in points):
        text += f" (%{{customdata[0]{shown}}} to %{{customdata[1]{shown}}})"
    if any(point.n is not None for point in points):
        text += ", n %{customdata[2]:,d}"
    return {"hovertemplate": text, "customdata": [[point.low, point.high, point.n] for point in points]}


def _layout(chart: Json, columns: dict[str, Json], found: Sequence[DrawnSeries]) -> Json:
    x_column, y_column = columns[chart["x"]], columns[chart["y"][0]]
    x_title = chart["x_title"] or x_column["label"]
    y_title = chart["y_title"] or ", ".join(columns[y]["label"] for y in chart["y"])
    xs = [point.x for series in found for point in series.points]
    drawn = layout(
        Axis(_with_unit(x_title, x_column["kind"]), **_x_axis(x_column["kind"], xs, chart["x_log"])),
        Axis(_with_unit(y_title, y_column["kind"]), **_y_axis(y_column["kind"], is_bars=chart["kind"] == "bars")),
        legend=len(found) > 1,
    )
    return drawn | _beside_each_other(chart["kind"], is_category=drawn["xaxis"].get("type") == "category")


def _beside_each_other(kind: str, *, is_category: bool) -> Json:
    """What keeps the bars and points of several series apart within a category."""
    if kind == "bars":
        return {"barmode": "group", "bargap": 0.4, "bargroupgap": 0.06}
    return {"scattermode": "group", "scattergap": 0.6} if kind == "points" and is_category else {}


def _x_axis(kind: str, xs: Sequence[Any], is_log: bool) -> dict[str, Any]:
    if any(not isinstance(x, int | float) for x in xs):
        return {"extra": {"type": "category"}}
    if is_log and min(xs) > 0:
        return {"log": True, "extra": log_ticks(xs)}
    if kind == "share":
        return {"percent": True}
    return {"extra": {"exponentformat": "SI"}} if kind in ("tokens", "flops") else {"integer": kind == "count"}


def _y_axis(kind: str, *, is_bars: bool) -> dict[str, Any]:
    if kind == "share":
        return {"percent": True}
    if kind == "difference":
        return {"extra": {"zeroline": True}}
    starts_at_zero = {"rangemode": "tozero"} if is_bars or kind in ("count", "tokens", "flops", "seconds") else {}
    return {"extra": starts_at_zero | ({"exponentformat": "SI"} if kind in ("tokens", "flops") else {})}


def _with_unit(title: str, kind: str) -> str:
    unit = _UNITS.get(kind, "")
    return f"{title} ({unit})" if unit and unit.lower() not in title.lower() else title


def _caption(kind: str, found: Sequence[DrawnSeries]) -> str:
    has_interval = any(point.low is not None for series in found for point in series.points)
    return f"{'Bands' if kind == 'line' else 'Error bars'} are 95 % intervals." if has_interval else ""


def _value(cell: Any) -> Any:
    return cell.get("value") if isinstance(cell, dict) else cell


def _text(cell: Any) -> str:
    value = _value(cell)
    return "–" if value is None else str(value)


def _scaled(value: float | None, scale: float) -> float | None:
    return None if value is None else value * scale


def _distance(high: float | None, low: float | None) -> float | None:
    return None if high is None or low is None else high - low
