"""Filters of lists of groups as somebody may have them: reviews, and positions of comparisons, that they may see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from rpt_web.access.judged import judged
from rpt_web.access.roles import Actor
from rpt_web.access.work import runs_for
from rpt_web.compare import traced
from rpt_web.compare.models import PositionComparison
from rpt_web.compare.positions import ComparedSet
from rpt_web.traces.group_filters import GroupFilters


def resolved(user: Actor, filters: GroupFilters, sets: Mapping[str, ComparedSet] | None = None) -> GroupFilters:
    """The filters with what the user may see of reviews and of a comparison's positions, where they ask for any.

    A comparison that they may not see, or that is not there, has no positions. sets: `compared_sets` of these filters,
    where they have been looked up.
    """
    filters = judged(user, filters)
    if not filters.compared:
        return filters
    found = (compared_sets(user, [filters.compared]) if sets is None else sets).get(filters.compared)
    return replace(filters, compared_ids=traced.position_ids(found) if found else ())


def compared_sets(user: Actor, names: Iterable[str]) -> dict[str, ComparedSet]:
    """The sets that addresses of traces name, of comparisons all of whose runs the user may see, by these names
    (2 queries)."""
    numbers = {name: traced.number_in(name) for name in names}
    if not numbers:
        return {}
    rows = PositionComparison.light().exclude(made_at=None).in_bulk(set(numbers.values()))
    wanted = {run for row in rows.values() for run in row.runs}
    seen = set(runs_for(user).filter(pk__in=wanted).values_list("pk", flat=True))
    found = {name: rows[key] for name, key in numbers.items() if key in rows and seen.issuperset(rows[key].runs)}
    sets = {name: traced.set_named(row, name) for name, row in found.items()}
    return {name: one for name, one in sets.items() if one}
