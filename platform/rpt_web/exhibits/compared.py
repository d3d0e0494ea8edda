"""Exhibits of a basket of runs: `compare/ENTRIES/...`, where entries are written as in the address of Compare.

    baseline/MODE, matrix/MODE, parts/MODE    the tables of the comparison at the same positions, once it was made
    settings/frozen, settings/planned         what differs; after a further slash names that are ignored, with commas
    curves/metric=NAME&x=flops                one metric, with what the form of the page asks for

In: the entries, the rest of the ref, the runs that somebody may see. Out: an `Exhibit`; None where one of the runs is
not among them, for an exhibit shows all of its runs or nothing.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from rpt_web.compare import comparisons
from rpt_web.compare.comparisons import to_compare
from rpt_web.compare.curve_figures import curves_of_basket
from rpt_web.compare.entries import read_entries
from rpt_web.compare.placed import PlacedEntry, placed_entries
from rpt_web.compare.settings_table import FROZEN, PLANNED, configs_of, setting_rows
from rpt_web.exhibits import data
from rpt_web.exhibits.comparison_tables import TABLES
from rpt_web.exhibits.exhibit import Exhibit
from rpt_web.exhibits.refs import COMPARE
from rpt_web.exhibits.seen import ExhibitScope
from rpt_web.exhibits.sources import sources_of
from rpt_web.exports import PlainColumn, PlainTable
from rpt_web.exports.tables import PlainValue
from rpt_web.results.figures import Figure, Json
from rpt_web.runs.differences import ABSENT


def exhibit(subject: str, rest: str, seen: ExhibitScope) -> Exhibit | None:
    """An exhibit of these entries."""
    entries, _ = read_entries(subject)
    runs = seen.runs.select_related("experiment").in_bulk([entry.run for entry in entries])
    word, _, own = rest.partition("/")
    if word not in _MAKERS or any(entry.run not in runs for entry in entries):
        return None
    made = _MAKERS[word](placed_entries(entries, runs), rest, own)
    if made is None:
        return None
    table, figure = made
    sources = sources_of(runs.values())
    ref = f"{COMPARE}/{subject}/{rest}"
    return Exhibit(ref, table.title, table.caption, table, figure, sources, is_figure=figure is not None)


Made = tuple[PlainTable, Figure | None] | None


def _at_positions(entries: Sequence[PlacedEntry], rest: str, mode: str) -> Made:
    """A table of the comparison in a mode, if it was made."""
    if mode not in comparisons.MODES:
        return None
    wanted = to_compare([(one.entry, one.run) for one in entries], mode)
    row = comparisons.stored(wanted)
    if row is None or row.made_at is None:
        return None
    make = TABLES[rest.partition("/")[0]]
    return make(row, {one.run.pk: one.run for one in entries}), None


def _settings(entries: Sequence[PlacedEntry], _rest: str, own: str) -> Made:
    """The settings that differ, one column for each entry; a setting that a run has not is missing."""
    source, _, ignored = own.partition("/")
    runs = [one.run for one in entries]
    if source not in (FROZEN, PLANNED) or (source == PLANNED and not all(run.plan for run in runs)):
        return None
    keys = [_key(one) for one in entries]
    columns = [
        PlainColumn("setting", "Setting"),
        *(PlainColumn(key, one.label) for key, one in zip(keys, entries, strict=True)),
    ]
    rows: list[Mapping[str, PlainValue]] = [
        {"setting": row.name, **{key: _written(value) for key, value in zip(keys, row.values, strict=True)}}
        for row in setting_rows(configs_of(runs, source), [name for name in ignored.split(",") if name])
        if row.differs
    ]
    caption = "As each run was run." if source == FROZEN else "As each run was asked for."
    caption += f" Left out: {ignored.replace(',', ', ')}." if ignored else ""
    return PlainTable("settings", "Settings that differ", columns, rows, caption), None


def _curves(entries: Sequence[PlacedEntry], _rest: str, own: str) -> Made:
    """The curves of one metric."""
    asked = dict(parse_qsl(own))
    found = curves_of_basket(entries, asked) if asked.get("metric") else None
    if found is None or not found.asked.metric or not found.figures:
        return None
    figure = found.figures[0][1]
    drawn = replace(figure, data=[_alone(trace) for trace in figure.data])
    return data.of_drawing(drawn, data.file_name("curves", found.asked.metric)), drawn


_MAKERS: dict[str, Callable[[Sequence[PlacedEntry], str, str], Made]] = {
    **dict.fromkeys(TABLES, _at_positions),
    "settings": _settings,
    "curves": _curves,
}


def _alone(trace: Json) -> Json:
    """A line without what leads to responses; the raw line behind a smoothed one says that it is one."""
    own = {key: value for key, value in trace.items() if key != "customdata"}
    name = html.unescape(str(trace["name"]))
    return own | ({"name": html.escape(f"{name}, not smoothed", quote=False)} if trace["meta"].get("raw") else {})


def _key(one: PlacedEntry) -> str:
    step = "" if one.entry.step is None else f"_step_{one.entry.step}"
    return f"run_{one.run.pk}{step}"


def _written(value: Any) -> str | None:
    if value == ABSENT:
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
