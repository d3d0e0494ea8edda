"""Which files a search reads, and which of their rows count.

In: a search. Out: its shards, each with a filter of rows. A search within a list of traces reads the shards that have
groups of the list, as they are when the job begins and as whoever has started it may see them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

import numpy as np

from rpt_core.errors import UserError
from rpt_core.run.rollout_search import RowFilter
from rpt_web import access
from rpt_web.searches import services
from rpt_web.searches.models import Search
from rpt_web.traces import group_lists
from rpt_web.traces.group_filters import GroupFilters
from rpt_web.traces.models import RolloutShard

ShardToRead = tuple[RolloutShard, RowFilter]


def shards_to_read(search: Search) -> list[ShardToRead]:
    """In the order in which they are read. Raises UserError where nobody is there any more for whom to look."""
    filters = services.filters_of(search)
    shards, rows = services.shards_of(search), filters.rows()
    if filters.groups is None:
        return [(shard, rows) for shard in shards]
    return list(_with_groups(shards, rows, _for_its_author(search, filters.groups)))


def _for_its_author(search: Search, groups: GroupFilters) -> GroupFilters:
    if search.created_by is None and groups.depends_on_reader:
        raise UserError(
            "Whoever started the search is gone, and with them what they may see of reviews and comparisons. "
            "Start it again."
        )
    return groups if search.created_by is None else access.resolved(search.created_by, groups)


def _with_groups(shards: list[RolloutShard], rows: RowFilter, groups: GroupFilters) -> Iterator[ShardToRead]:
    for run, of_run in groupby(shards, key=lambda shard: shard.run_id):
        numbers = group_lists.numbers_of(run, groups)
        for shard in of_run:
            if found := numbers.get((shard.step, shard.kind)):
                yield shard, replace(rows, groups=np.array(found, np.int32))
