"""Exhibits of a basket of runs: `compare/ENTRIES/...`, where entries are written as in the address of Compare.

    baseline/MODE, matrix/MODE, parts/MODE, seeds/MODE    the tables of the comparison, once it was made; MODE is that
                                              of the entries that name none. After a further slash one difficulty
    noise/MODE                                what differences must beat, where evaluations were repeated
    settings/frozen, planned or resolved      what differs; after a further slash names that are ignored, with commas
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

from rpt_core.config import DIFFICULTIES
from rpt_web.compare import comparisons
from rpt_web.compare.comparisons import to_compare
from rpt_web.compare.curve_figures import curves_of_basket
from rpt_web.compare.entries import MODES, read_entries
from rpt_web.compare.noise import noise_of_modes
from rpt_web.compare.placed import PlacedEntry, placed_entries
from rpt_web.compare.settings_table import FROZEN, PLANNED, RESOLVED, configs_of, resolved_configs, setting_rows
from rpt_web.compare.stage_settings import parted
from rpt_web.exhibits import data
from rpt_web.exhibits.comparison_tables import TABLES
from rpt_web.exhibits.exhibit import Exhibit
from rpt_web.exhibits.noise_table import NOISE, noise_table
from rpt_web.exhibits.refs import COMPARE
from rpt_web.exhibits.seen import ExhibitScope
from rpt_web.exhibits.sources import with_sources
from rpt_web.exports import PlainColumn, PlainTable
from rpt_web.exports.tables import PlainValue
from rpt_web.results.figures import Figure, Json
from rpt_web.runs.differences import ABSENT
from rpt_web.runs.models import Run


def exhibit(subject: str, rest: str, seen: ExhibitScope) -> Exhibit | None:
    """An exhibit of these entries."""
    entries, _ = read_entries(subject)
    runs = seen.runs.select_related("experiment").in_bulk([entry.run for entry in entries])
    word, _, own = rest.partition("/")
    if word not in _MAKERS or any(entry.run not in runs for entry in entries):
        return None
    made = _MAKERS[word](placed_entries(entries, runs), rest, own, seen)
    if made is None:
        return None
    table, figure, more = made
    sources = seen.reading.sources([*runs.values(), *more])
    ref = f"{COMPARE}/{subject}/{rest}"
    return Exhibit(ref, table.title, table.caption, table, figure, sources, is_figure=figure is not None)


Made = tuple[PlainTable, Figure | None, Sequence[Run]] | None
"""A table, perhaps a figure, and runs beside those of the basket that they were made from."""


def _at_positions(entries: Sequence[PlacedEntry], rest: str, own: str, _seen: ExhibitScope) -> Made:
    """A table of the comparison in a mode, perhaps at one difficulty, if it was made and has rows."""
    mode, slash, level = own.partition("/")
    if mode not in MODES or (slash and level not in DIFFICULTIES):
        return None
    wanted = to_compare([(one.entry, one.run) for one in entries], mode)
    row = comparisons.stored(wanted)
    if row is None or row.made_at is None:
        return None
    make = TABLES[rest.partition("/")[0]]
    table = make(row, {one.run.pk: one.run for one in entries}, level)
    return (table, None, ()) if table.rows else None


def _noise(entries: Sequence[PlacedEntry], _rest: str, mode: str, seen: ExhibitScope) -> Made:
    """The noise floor in each mode of the entries, at each difficulty at which evaluations were repeated."""
    if mode not in MODES:
        return None
    wanted = to_compare([(one.entry, one.run) for one in entries], mode)
    every = {level: noise_of_modes(wanted.entries, seen.runs, level) for level in DIFFICULTIES}
    found = [(one.label, level, one.floor) for level, own in every.items() for one in own if one.floor is not None]
    repeats = seen.runs.filter(pk__in={run for _, _, floor in found for run in floor.runs})
    return (noise_table(found), None, list(with_sources(repeats))) if found else None


def _settings(entries: Sequence[PlacedEntry], _rest: str, own: str, _seen: ExhibitScope) -> Made:
    """The settings that differ, one column for each entry; a setting that a run has not is missing."""
    source, _, ignored = own.partition("/")
    runs = [one.run for one in entries]
    if not _is_there(source, runs):
        return None
    keys = [_key(one) for one in entries]
    found = setting_rows(configs_of(runs, source), [name for name in ignored.split(",") if name])
    differing, of_stages = parted(found, [run.stage for run in runs])
    columns = [
        PlainColumn("setting", "Setting"),
        *(PlainColumn(key, one.label) for key, one in zip(keys, entries, strict=True)),
    ]
    rows: list[Mapping[str, PlainValue]] = [
        {"setting": row.name, **{key: _written(value) for key, value in zip(keys, row.values, strict=True)}}
        for row in differing
    ]
    caption = _CAPTIONS[source]
    caption += f" Left out: {ignored.replace(',', ', ')}." if ignored else ""
    caption += "".join(f" Not among them: {some.words}." for some in of_stages)
    return PlainTable("settings", "Settings that differ", columns, rows, caption), None, ()


def _is_there(source: str, runs: Sequence[Run]) -> bool:
    """Whether the runs have settings of this source."""
    if source == PLANNED:
        return all(run.plan for run in runs)
    return source == FROZEN or (source == RESOLVED and bool(resolved_configs(runs).values))


_CAPTIONS = {
    FROZEN: "As each run was run.",
    PLANNED: "As each run was asked for.",
    RESOLVED: "As each run's engine resolved it; of an engine without a config of its own, as the run was run.",
}


def _curves(entries: Sequence[PlacedEntry], _rest: str, own: str, _seen: ExhibitScope) -> Made:
    """The curves of one metric."""
    asked = dict(parse_qsl(own))
    found = curves_of_basket(entries, asked) if asked.get("metric") else None
    if found is None or not found.asked.metric or not found.figures:
        return None
    figure = found.figures[0][1]
    drawn = replace(figure, data=[_alone(trace) for trace in figure.data])
    return data.of_drawing(drawn, data.file_name("curves", found.asked.metric)), drawn, ()


_MAKERS: dict[str, Callable[[Sequence[PlacedEntry], str, str, ExhibitScope], Made]] = {
    **dict.fromkeys(TABLES, _at_positions),
    NOISE: _noise,
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
    mode = f"_{one.entry.mode}" if one.entry.mode else ""
    return f"run_{one.run.pk}{step}{mode}"


def _written(value: Any) -> str | None:
    if value == ABSENT:
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
