"""The table of runs: `runs/table/QUERY`, where the query asks as the address of its page does.

In: the query, the runs that somebody may see. Out: an `Exhibit` with all rows; None for what cannot be read, and where
more rows fit than one page can show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlencode

from django.http import QueryDict

from rpt_core.errors import UserError
from rpt_core.words import listed
from rpt_web.exhibits.exhibit import Exhibit
from rpt_web.exhibits.refs import RUNS, ref_of
from rpt_web.exhibits.seen import ExhibitScope
from rpt_web.exhibits.sources import with_sources
from rpt_web.exports.tables import PlainValue
from rpt_web.run_table import files, saved
from rpt_web.run_table.rows import AskedTable

MOST_ROWS = 1000
"""With more, the page has files alone."""
MOST_SOURCES = 60
"""Runs whose settings are named below the table: those of its first rows."""


def exhibit(subject: str, rest: str, seen: ExhibitScope) -> Exhibit | None:
    """All rows that fit."""
    try:
        asked = saved.asked_by(QueryDict(rest))
        table = files.whole_table(seen.runs, asked)
    except UserError:
        return None
    if len(table.rows) > MOST_ROWS:
        return None
    table = replace(table, caption=_caption(asked), came_from=())
    runs = with_sources(seen.runs.filter(pk__in=_first_runs(table.rows)))
    return Exhibit(f"{RUNS}/{subject}/{rest}", table.title, table.caption, table, None, seen.reading.sources(runs))


def ref(asked: AskedTable, rows: int) -> str:
    """The ref as the page writes it; "" where it would be too long, or the table has too many rows."""
    return ref_of(RUNS, "table", urlencode(asked.pairs, safe="/@,")) if rows <= MOST_ROWS else ""


def _caption(asked: AskedTable) -> str:
    parts = [f"Runs where {listed([one.words for one in asked.where])}." if asked.where else "All runs."]
    if asked.group:
        parts.append(f"Grouped by {listed([key.title for key in asked.group])}; numbers are means over runs.")
    return " ".join(parts)


def _first_runs(rows: Sequence[Mapping[str, PlainValue]]) -> list[int]:
    texts = [str(row.get("run_ids", row.get("id")) or "") for row in rows]
    return [int(text) for text in " ".join(texts[:MOST_SOURCES]).split()[:MOST_SOURCES]]
