"""Queues from a list of traces: of the groups that its filters let through, in runs of one team.

In: runs, filters, a plan, and whether an item is a group, one response of it, or its position. Out: rows. The draw
follows from the seed and the ids of the groups, or of the positions, each of which is drawn once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from rpt_core.errors import UserError
from rpt_web.review.models import ItemKind, ReviewItem, ReviewQueue
from rpt_web.review.queues import MOST_ITEMS, QueuePlan, check_plan, create
from rpt_web.runs.models import Run
from rpt_web.teams.models import Team, User
from rpt_web.traces.group_filters import GroupFilters
from rpt_web.traces.group_lists import scope
from rpt_web.traces.models import ResponseGroup, Rollout

UNITS = {ItemKind.RESPONSE: "one response of each, at random", ItemKind.GROUP: "the whole group"}
UNITS |= {ItemKind.POSITION: "its position, whatever the runs"}
"""What an item is."""


def create_from_traces(
    team: Team, runs: QuerySet[Run], filters: GroupFilters, unit: ItemKind, plan: QueuePlan, user: User
) -> ReviewQueue:
    """A queue of what a list of traces shows, as far as it is of the team's own runs. Raises UserError."""
    check_plan(team, plan)
    own = scope(runs.filter(experiment__team=team), filters)
    groups = _drawn(list(own.values_list("pk", flat=True)), filters, unit, plan)
    items = items_of(unit, groups, plan.seed)
    if not items:
        raise UserError(f"No group of {team.name}'s own runs passes the filters. Choose others on the page of traces.")
    source = {"traces": filters.query(), "seed": plan.seed, "sample": plan.sample}
    return create(team, plan, source, items, user)


def items_of(unit: ItemKind, groups: Sequence[ResponseGroup], seed: int) -> list[ReviewItem]:
    """The items of these groups, not saved: responses drawn by the seed, whole groups, or their positions."""
    return list(_ITEMS[unit](groups, seed))


def _drawn(runs: Sequence[int], filters: GroupFilters, unit: ItemKind, plan: QueuePlan) -> list[ResponseGroup]:
    """Groups in an order that the seed decides; of positions, a group of each. Raises UserError for more than a queue
    holds."""
    join, joined = filters.join()
    conditions = [("g.run_id = ANY(%s)", [list(runs)]), *filters.conditions()]
    where = " AND ".join(sql for sql, _ in conditions)
    values: list[Any] = [value for _, found in conditions for value in found]
    limit = MOST_ITEMS + 1 if plan.sample is None else plan.sample
    what, narrowed = _DRAWN[unit == ItemKind.POSITION]
    sql = f"SELECT {what} FROM traces_responsegroup g {join} WHERE {where} {narrowed} LIMIT %s"
    with connection.cursor() as cursor:
        cursor.execute(sql, [*joined, *values, plan.seed, limit])
        ids = [key for (key,) in cursor.fetchall()]
    if len(ids) > MOST_ITEMS:
        raise UserError(
            f"More than {MOST_ITEMS:,} {unit.value if unit == ItemKind.POSITION else 'group'}s pass the filters, which "
            "a queue does not hold. Draw a sample."
        )
    known = ResponseGroup.objects.in_bulk(ids)
    return [known[key] for key in ids if key in known]


_DRAWN = (
    ("g.id", "ORDER BY hashint8extended(g.id, %s), g.id"),
    (
        "max(g.id)",
        "AND g.position_id IS NOT NULL GROUP BY g.position_id"
        " ORDER BY hashint8extended(g.position_id, %s), g.position_id",
    ),
)
"""What is read of groups and of positions, and in which order."""


def _places(groups: Iterable[ResponseGroup], seed: int) -> Iterable[ReviewItem]:
    for group in groups:
        yield ReviewItem(kind=ItemKind.POSITION, place_id=group.position_id, document=group.document)


def _whole(groups: Iterable[ResponseGroup], seed: int) -> Iterable[ReviewItem]:
    for group in groups:
        yield ReviewItem(
            kind=ItemKind.GROUP,
            run_id=group.run_id,
            step=group.step,
            rollout_kind=group.kind,
            group=group.group,
            document=group.document,
            position=group.token_position,
        )


def _one_of_each(groups: Sequence[ResponseGroup], seed: int) -> Iterable[ReviewItem]:
    """A response of each group; which one, its id and the seed decide."""
    keys = [(group.run_id, group.first_rollout + (group.pk * 2_654_435_761 + seed) % group.samples) for group in groups]
    by_run: dict[int, list[int]] = defaultdict(list)
    for run, key in keys:
        by_run[run].append(key)
    found = {
        (run, row.id): row for run, ids in by_run.items() for row in Rollout.objects.filter(run_id=run, id__in=ids)
    }
    for place in keys:
        if (row := found.get(place)) is not None:
            yield ReviewItem(
                run_id=row.run_id,
                rollout_id=row.id,
                rollout_kind=row.kind,
                step=row.step,
                row=row.row,
                group=row.group,
                document=row.document,
                position=row.position,
                reward=row.reward,
            )


_ITEMS: dict[ItemKind, Callable[[Sequence[ResponseGroup], int], Iterable[ReviewItem]]] = {
    ItemKind.RESPONSE: _one_of_each,
    ItemKind.GROUP: _whole,
    ItemKind.POSITION: _places,
}
