"""Runs that differ in their seed alone, as one row: the mean over the seeds, beside the rows of each.

In: runs with their tables, all of one form. Out: for each group of seeds the rows that all of its tables have, with the
mean of each number. Where the single rows have intervals, the mean has Student's t interval over the seeds, which are
the independent repetitions (`rpt_core.statistics.seeds`); counts, tokens and the like are plain means.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

from rpt_core.statistics.seeds import DIFFERENCES, SHARES, across_seeds
from rpt_web.results.figures import Json
from rpt_web.results.lineage import listed
from rpt_web.runs.models import Run
from rpt_web.runs.seed_groups import seed_groups, seed_of

OF_RUN, OF_SEEDS = "of_run", "of_seeds"
"""The columns that say whose a row is, and of which seeds, in the tables of several runs."""
WORDS = (
    "A mean over seeds has Student's t interval over these seeds: it covers the noise of training, and that of the "
    "positions or questions where each seed draws its own. Two or three seeds make it wide."
)
_BOUNDS = {"share": SHARES, "difference": DIFFERENCES}


@dataclass(frozen=True)
class SeedMean:
    """A group of seeds."""

    name: str
    """What it is called in the place of a run."""
    places: Sequence[int]
    """Of its runs."""
    rows: Sequence[Json]


def seed_means(runs: Sequence[Run], tables: Sequence[Json]) -> Mapping[int, list[SeedMean]]:
    """The means, by the place of the first run of their group: they stand before it."""
    found: dict[int, list[SeedMean]] = defaultdict(list)
    for title, places in seed_groups(runs):
        rows = _means([tables[place] for place in places]) if len(places) > 1 else []
        if rows:
            seeds = listed(seed_of(runs[place]) for place in places)
            name = f"{title}, mean of {len(places)} seeds"
            found[places[0]].append(SeedMean(name, places, [{OF_SEEDS: seeds, **row} for row in rows]))
    return found


def _means(tables: Sequence[Json]) -> list[Json]:
    """The rows that all tables have, in the order of the first; rows are the same when their texts are."""
    columns = tables[0]["columns"]
    texts = [column["key"] for column in columns if column["kind"] == "text"]
    listed = [_by_texts(table["rows"], texts) for table in tables]
    common = [key for key in listed[0] if all(key in own for own in listed)]
    return [_mean_row(columns, [own[key] for own in listed]) for key in common]


def _by_texts(rows: Sequence[Json], texts: Sequence[str]) -> dict[Any, Json]:
    """Rows by their texts, and by their number among those with the same ones."""
    times: Counter[Any] = Counter()
    found = {}
    for row in rows:
        key = tuple(str(row.get(name)) for name in texts)
        times[key] += 1
        found[key, times[key]] = row
    return found


def _mean_row(columns: Sequence[Json], rows: Sequence[Json]) -> Json:
    return {
        column["key"]: rows[0].get(column["key"])
        if column["kind"] == "text"
        else _mean_cell([row.get(column["key"]) for row in rows], column["kind"])
        for column in columns
    }


def _mean_cell(cells: Sequence[Any], kind: str) -> Any:
    """The mean of a number that every seed has; else None."""
    found = [cell.get("value") if isinstance(cell, dict) else cell for cell in cells]
    values = [value for value in found if isinstance(value, int | float) and math.isfinite(value)]
    if len(values) < len(cells):
        return None
    if not any(isinstance(cell, dict) for cell in cells):
        return mean(values)
    estimate = across_seeds(values, _BOUNDS.get(kind))
    return None if estimate is None else asdict(estimate) | {"n": None}
