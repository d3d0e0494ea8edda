"""Groups of many runs as lists: a page by key, the neighbours of a group, how many there are and of what kind.

In: the runs that somebody may see, and GroupFilters. Out: rows and counts. A page is read run by run (LATERAL), each
from the index of its order up to the rows of one page, and merged: whoever sees few runs among many pays for few. A
count looks at `MOST_COUNTED` rows at most; beyond that it is an estimate from a sample of the table's pages.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from rpt_web.runs.models import Run
from rpt_web.runs.queries import UNLISTED
from rpt_web.traces.group_filters import (
    COUNTED_MARKS,
    DISPUTE,
    HAS_PATTERN,
    SOLVED,
    SOLVED_PARTS,
    WHOLE,
    Condition,
    GroupFilters,
)
from rpt_web.traces.models import KINDS, ResponseGroup

GROUPS_PER_PAGE = 30
MOST_COUNTED = 10_000
SAMPLED_ROWS = 10_000
FEWEST_SAMPLED = 50
"""Of fewer rows in the sample nothing is estimated."""
MOST_VALUES = 8
"""Domains, and runs, that counts name."""
LARGEST_KEY = 2**62


@dataclass(frozen=True)
class GroupPage:
    """One page, with the keys of its neighbours; empty where there is none."""

    rows: list[ResponseGroup]
    previous: str
    next: str


@dataclass(frozen=True)
class GroupCounts:
    """How many groups match, and how many of these are what."""

    total: int
    is_exact: bool
    is_more: bool
    """There are more than MOST_COUNTED, and too few were sampled to say how many."""
    facets: Mapping[str, int]
    """By `kind:train`, `solved:none`, `reason:no_box`, `mark:forgotten` and so on."""
    domains: Mapping[str, int]
    runs: Mapping[int, int]


def scope(runs: QuerySet[Run], filters: GroupFilters) -> QuerySet[Run]:
    """The runs that a list reads, of those that somebody may see."""
    if filters.experiments:
        runs = runs.filter(experiment__in=filters.experiments)
    if filters.at:
        runs = runs.filter(pk__in=[run for run, _ in filters.at])
    return runs.filter(pk__in=filters.runs) if filters.runs else runs


def group_page(
    runs: QuerySet[Run], filters: GroupFilters, *, after: str = "", before: str = "", limit: int = GROUPS_PER_PAGE
) -> GroupPage:
    """The page after a key, before a key, or the first one (2 queries). A key that is none counts as not given."""
    backwards = bool(before)
    key = read_key(before or after, filters)
    found = _beyond(runs, filters, key, backwards, limit + 1)
    rows, more = _rows(found[:limit], filters), len(found) > limit
    if backwards:
        rows.reverse()
    if not rows:
        return GroupPage([], "", "")
    has_previous, has_next = (more, True) if backwards else (key is not None, more)
    first, last = (key_of(row, filters) for row in (rows[0], rows[-1]))
    return GroupPage(rows, first if has_previous else "", last if has_next else "")


def neighbours(
    runs: QuerySet[Run], filters: GroupFilters, group: ResponseGroup
) -> tuple[ResponseGroup | None, ResponseGroup | None]:
    """The groups before and after one in a list (4 queries, or 5)."""
    if filters.column == DISPUTE:
        group.dispute = _dispute_of(group, filters)
        if group.dispute is None:
            return None, None
    key = read_key(key_of(group, filters), filters)
    before, after = (_rows(_beyond(runs, filters, key, backwards, 1), filters) for backwards in (True, False))
    return (before[0] if before else None), (after[0] if after else None)


def key_of(group: ResponseGroup, filters: GroupFilters) -> str:
    """A group's place in a list."""
    return f"{getattr(group, filters.column)!r}:{group.pk}"


def read_key(text: str, filters: GroupFilters) -> tuple[float, int] | None:
    """What `key_of` has written; None for anything else."""
    value, _, pk = text.partition(":")
    read = int if filters.column in WHOLE else float
    try:
        found = read(value), int(pk)
    except ValueError:
        return None
    return found if math.isfinite(found[0]) and max(map(abs, found)) < LARGEST_KEY else None


def all_of(
    runs: QuerySet[Run], filters: GroupFilters, columns: str, more: Condition = ("", [])
) -> tuple[str, list[Any]]:
    """A SELECT of columns of all groups of a list, with something more joined to them; and its values."""
    where, values = _where(filters)
    run_sql, run_values = _runs_sql(scope(runs, filters))
    join, joined = filters.join()
    sql = f"SELECT {columns} FROM traces_responsegroup g {join} {more[0]} WHERE g.run_id IN ({run_sql}) AND {where}"
    return sql, [*joined, *more[1], *run_values, *values]


def numbers_of(run_id: int, filters: GroupFilters) -> dict[tuple[int, str], list[int]]:
    """Of a run, the numbers of the groups that are in a list, by step and kind."""
    sql, values = all_of(Run.objects.filter(pk=run_id), filters, 'g.step, g.kind, array_agg(g."group")')
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} GROUP BY g.step, g.kind", values)
        return {(step, kind): numbers for step, kind, numbers in cursor.fetchall()}


def group_counts(runs: QuerySet[Run], filters: GroupFilters) -> GroupCounts:
    """How many match (1 query; 3 where these are very many; one more at a comparison's positions)."""
    where, values = _where(filters)
    run_sql, run_values = _runs_sql(scope(runs, filters))
    join, joined = filters.join()
    few = _are_few(filters, run_sql, run_values)
    if few is not False or not _asks_for_positions_alone(filters):
        if join or few:
            found = f"SELECT {_COUNTED} FROM traces_responsegroup g {join} WHERE g.run_id IN ({run_sql}) AND {where}"
        else:
            found = (
                f"SELECT g.* FROM ({run_sql}) r CROSS JOIN LATERAL (SELECT {_COUNTED} FROM traces_responsegroup g"
                f" WHERE g.run_id = r.id AND {where} OFFSET 0) g"
            )
        exact = _tally(f"{found} LIMIT {MOST_COUNTED + 1}", [*joined, *run_values, *values], MOST_COUNTED)
        if exact.total <= MOST_COUNTED:
            return exact
    share = _share_to_sample()
    sampled = (
        f"SELECT {_COUNTED} FROM traces_responsegroup g TABLESAMPLE SYSTEM ({share:f})"
        f" {join} WHERE g.run_id IN ({run_sql}) AND {where}"
    )
    return _scaled(_tally(sampled, [*joined, *run_values, *values], LARGEST_KEY), share)


def _beyond(
    runs: QuerySet[Run], filters: GroupFilters, key: tuple[float, int] | None, backwards: bool, limit: int
) -> list[tuple[int, Any]]:
    """Groups on one side of a key, the nearest first, without a key from the start: ids, and what orders them."""
    falls = filters.falls != backwards
    way, sign = ("DESC", "<") if falls else ("ASC", ">")
    where, values = _where(filters)
    if key is not None and filters.column == "id":
        where, values = f"{where} AND g.id {sign} %s", [*values, key[1]]
    elif key is not None:
        where, values = f"{where} AND ({filters.expression}, g.id) {sign} (%s, %s)", [*values, *key]
    run_sql, run_values = _runs_sql(scope(runs, filters))
    join, joined = filters.join()
    order = f"ORDER BY {filters.expression} {way}, g.id {way} LIMIT {int(limit)}"
    own = f"SELECT g.id, {filters.expression} AS value FROM traces_responsegroup g"
    if join:
        statement = f"{own} {join} WHERE g.run_id IN ({run_sql}) AND {where} {order}"
    elif _are_few(filters, run_sql, run_values):
        statement = (
            f"WITH g AS MATERIALIZED ({own} WHERE g.run_id IN ({run_sql}) AND {where})"
            f" SELECT g.id, g.value FROM g ORDER BY g.value {way}, g.id {way} LIMIT {int(limit)}"
        )
    else:
        at, at_values = _at_steps(filters)
        step = "AND g.step = a.step" if at else ""
        statement = (
            f"SELECT g.id, g.value FROM ({run_sql}) r {at} CROSS JOIN LATERAL ({own} WHERE g.run_id = r.id {step}"
            f" AND {where} {order}) g ORDER BY g.value {way}, g.id {way} LIMIT {int(limit)}"
        )
        run_values = [*run_values, *at_values]
    with connection.cursor() as cursor:
        cursor.execute(statement, [*joined, *run_values, *values])
        return list(cursor.fetchall())


def _asks_for_positions_alone(filters: GroupFilters) -> bool:
    """Whether all groups of its runs that are at a comparison's positions are in the list."""
    leaves_out = filters.column in (DISPUTE, "entropy_nats")  # what has none
    return not leaves_out and replace(filters, compared="", runs=(), experiments=()).is_all


def _are_few(filters: GroupFilters, run_sql: str, run_values: Sequence[Any]) -> bool | None:
    """Whether a comparison's positions have so few groups that it is best to read them all (1 query); None without one.

    Looked for run after run, every run that never came upon the positions would be read from its first group to its
    last. Where steps are named, the index of runs and steps is the shorter way, and nothing is looked up."""
    if filters.compared_ids is None or filters.at:
        return None
    few = (
        "SELECT FROM traces_responsegroup g WHERE g.position_id = ANY(%s::bigint[])"
        f" AND g.run_id IN ({run_sql}) LIMIT {MOST_COUNTED + 1}"
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({few}) AS few", [list(filters.compared_ids), *run_values])
        return int(cursor.fetchone()[0]) <= MOST_COUNTED


def _at_steps(filters: GroupFilters) -> Condition:
    """The steps that the list names, joined to the runs `r`, so that each is read from the index of runs and steps."""
    pairs = ", ".join(["(%s::bigint, %s::integer)"] * len(filters.at))
    values = [number for pair in filters.at for number in pair]
    return (f"JOIN (VALUES {pairs}) a (run, step) ON a.run = r.id" if pairs else ""), values


def _dispute_of(group: ResponseGroup, filters: GroupFilters) -> float | None:
    join, joined = filters.join()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT j.dispute FROM traces_responsegroup g {join} WHERE g.id = %s", [*joined, group.pk])
        found = cursor.fetchone()
    return found[0] if found else None


def _rows(places: list[tuple[int, Any]], filters: GroupFilters) -> list[ResponseGroup]:
    found = (
        ResponseGroup.objects.select_related("run", "experiment", "position")
        .defer(*(f"run__{name}" for name in UNLISTED))
        .in_bulk([pk for pk, _ in places])
    )
    if filters.column == DISPUTE:
        for pk, value in places:
            if pk in found:
                found[pk].dispute = value
    return [found[pk] for pk, _ in places if pk in found]


def _where(filters: GroupFilters) -> tuple[str, list[Any]]:
    conditions = filters.conditions()
    sql = " AND ".join(condition for condition, _ in conditions) or "true"
    return sql, [value for _, values in conditions for value in values]


def _runs_sql(runs: QuerySet[Run]) -> tuple[str, list[Any]]:
    sql, values = runs.order_by().select_related(None).values("id").query.sql_with_params()
    return sql, list(values)


def _share_to_sample() -> float:
    """Per cent of the table's pages that hold about SAMPLED_ROWS rows."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = 'traces_responsegroup'::regclass")
        rows = float(cursor.fetchone()[0])
    return min(100.0, 100 * SAMPLED_ROWS / max(rows, 1))


def _tally(found: str, values: list[Any], most: int) -> GroupCounts:
    """The counts of these rows; of more than `most` their number alone, as an estimate takes their place."""
    with connection.cursor() as cursor:
        cursor.execute(_TALLY.format(found=found, most=most), values)
        total, numbers, domains, runs = cursor.fetchone()
    facets = dict(zip(_FACETS, numbers, strict=True))
    return GroupCounts(total, True, False, facets, dict(domains or ()), {int(run): n for run, n in runs or ()})


def _scaled(sampled: GroupCounts, share: float) -> GroupCounts:
    """What a sample says of all."""
    factor = 100 / share

    def times(counts: Mapping[Any, int]) -> dict[Any, int]:
        return {name: round(n * factor) for name, n in counts.items()}

    is_more = sampled.total < FEWEST_SAMPLED or sampled.total * factor <= MOST_COUNTED
    total = MOST_COUNTED if is_more else round(sampled.total * factor)
    facets = {} if is_more else times(sampled.facets)
    domains, runs = ({}, {}) if is_more else (times(sampled.domains), times(sampled.runs))
    return GroupCounts(total, share >= 100, is_more, facets, domains, runs)


_COUNTED = (
    "g.run_id, g.domain, g.kind, g.difficulty, g.rewarded, g.pass_rate, g.match, g.mismatch, g.not_on_boundary,"
    " g.empty, g.no_box, g.cut, g.white_space, g.boxes, g.patterns, g.first_solved, g.forgotten, g.greedy_alone"
)
_FACETS = {
    **{f"kind:{kind}": f"g.kind = '{kind}'" for kind in KINDS},
    **{f"difficulty:{name}": f"g.difficulty >= {n}" for n, name in enumerate(("easy", "medium", "hard"), 1)},
    **{f"solved:{name}": SOLVED[name][1] for name in SOLVED_PARTS},
    **{f"reason:{name}": f"g.{name} > 0" for name in ("match", "mismatch", "not_on_boundary", "empty", "no_box")},
    "finish:length": "g.cut > 0",
    "white_space:1": "g.white_space > 0",
    "boxes:2": "g.boxes > 1",
    **{f"mark:{name}": f"g.{name}" for name in COUNTED_MARKS},
    **{f"pattern:{name}": sql for name, sql in HAS_PATTERN.items()},
}
"""What is counted, by the filter that asks for it and its value."""
_SUMS = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in _FACETS.values())
_OFTEN = "SELECT json_agg(json_build_array({0}, n) ORDER BY n DESC) FROM (SELECT {0}, count(*) AS n FROM found g"
_OFTEN += " WHERE {1} GROUP BY {0} ORDER BY n DESC LIMIT {2}) AS often"
_IS_SAID = "(SELECT n FROM counted) <= {most}"
"""It does not depend on a row, so that Postgres looks at none where it is false."""
_TALLY = (
    "WITH found AS MATERIALIZED ({found}), counted AS (SELECT count(*) AS n FROM found) SELECT (SELECT n FROM counted),"
    f" (SELECT json_build_array({_SUMS}) FROM found g WHERE {_IS_SAID}),"
    f" ({_OFTEN.format('domain', f'domain <> {chr(39) * 2} AND {_IS_SAID}', MOST_VALUES)}),"
    f" ({_OFTEN.format('run_id', _IS_SAID, MOST_VALUES)})"
)
