"""A comparison's positions as a filter of Traces: what the address calls them, and which positions of texts they are.

In: `12:a=0&b=1&difficulty=hard&cell=gained`, the comparison's number and the query of its page of positions, or a
`ComparedSet`. Out: one from the other; ids of `CorpusPosition`. A comparison knows positions by document and byte;
the groups that its runs wrote there say which position of a text that is, so that other runs are found there, too. The
job that makes a comparison looks that up (`ids_at`), so that a list of traces need not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.http import QueryDict

from rpt_core.errors import UserError
from rpt_web.compare.models import PositionComparison
from rpt_web.compare.positions import ComparedSet


def number_in(name: str) -> int:
    """The number of the comparison."""
    return int(name.partition(":")[0])


def set_named(comparison: PositionComparison, name: str) -> ComparedSet | None:
    """The set of a comparison that is made; None where it has no such evaluations."""
    try:
        return ComparedSet.from_query(comparison, QueryDict(name.partition(":")[2]).dict())
    except UserError:
        return None


def name_of(asked: ComparedSet) -> str:
    """What the address calls it."""
    return f"{asked.comparison.pk}:{asked.query()}"


def ids_at(run: int, step: int, places: Sequence[tuple[str, int]]) -> list[list[int]]:
    """For each document and byte, the ids of the positions at which an evaluation's groups were (1 query)."""
    found = _ids(places, "g.run_id = %s AND g.step = %s", [run, step])
    return [found.get(number, []) for number in range(1, len(places) + 1)]


def position_ids(asked: ComparedSet) -> list[int]:
    """Ids of the set's positions (1 query, or 2; up to 5 where the comparison does not have them).

    They are those of the groups of the two evaluations, or, where these wrote none, of all groups of the two runs.
    """
    if stored := asked.stored_ids():
        return stored
    wanted = asked.places()
    entries = [asked.comparison.entries[place] for place in (asked.a, asked.b)]
    steps = [value for run, step, _ in entries for value in (run, step)]
    found = _ids(wanted, "(g.run_id = %s AND g.step = %s OR g.run_id = %s AND g.step = %s)", steps)
    found = found or _ids(wanted, "g.run_id = ANY(%s)", [[run for run, *_ in entries]])
    return sorted({key for keys in found.values() for key in keys})


def _ids(wanted: Sequence[tuple[str, int]], where: str, values: list[Any]) -> dict[int, list[int]]:
    """By the number of the place, from 1."""
    if not wanted:
        return {}
    documents, bytes_ = zip(*wanted, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_IDS.format(where=where), [list(documents), list(bytes_), *values])
        return dict(cursor.fetchall())


_IDS = """
    SELECT w.number, array_agg(DISTINCT p.id)
    FROM traces_responsegroup g JOIN traces_corpusposition p ON p.id = g.position_id
    JOIN unnest(%s::text[], %s::int[]) WITH ORDINALITY w (document, byte, number)
        ON w.document = g.document AND w.byte = p.byte_offset
    WHERE {where} GROUP BY w.number
"""
