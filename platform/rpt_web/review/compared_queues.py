"""Queues from a comparison: of the positions that two evaluations won, lost or both have, or of what was written there.

In: a set of compared positions, a plan, whether an item is the position or what one of the two wrote there. Out: rows.
The draw follows from the seed and the positions, whatever an item is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import BigIntegerField, F, Func, QuerySet, Value

from rpt_core.errors import UserError
from rpt_web.compare.positions import ComparedSet
from rpt_web.compare.responses import AtPositions
from rpt_web.review.group_queues import items_of
from rpt_web.review.models import ItemKind, ReviewQueue
from rpt_web.review.queues import MOST_ITEMS, QueuePlan, check_plan, create
from rpt_web.runs.models import Run
from rpt_web.teams.models import Team, User
from rpt_web.traces.models import ResponseGroup

KINDS = {"sampled": "sampled", "greedy": "greedy"}
"""Mode of an evaluation -> kind of the responses that it wrote; other modes write none."""


def create_from_comparison(
    team: Team, runs: QuerySet[Run], asked: ComparedSet, unit: ItemKind, is_of_first: bool, plan: QueuePlan, user: User
) -> ReviewQueue:
    """A queue of the set's positions where the team's own runs of the comparison keep responses.

    `is_of_first`: of a unit that is no position, whether the first evaluation wrote it, else the second. Raises
    UserError.
    """
    check_plan(team, plan)
    own = runs.filter(experiment__team=team, pk__in=asked.comparison.runs).values_list("pk", flat=True)
    groups = _groups(asked, list(own), None if unit == ItemKind.POSITION else is_of_first)
    if not groups:
        raise UserError(
            f"No run of {team.name} in this comparison keeps responses at these positions. Choose others, or what the "
            "other evaluation wrote."
        )
    if plan.sample is None and len(groups) > MOST_ITEMS:
        raise UserError(f"These are {len(groups):,} positions, and a queue has at most {MOST_ITEMS:,}. Draw a sample.")
    items = items_of(unit, _drawn(groups, plan), plan.seed)
    if not items:
        raise UserError("The responses at these positions are no longer kept. Choose other positions.")
    source = {"comparison": asked.comparison.pk, "query": asked.query(), "seed": plan.seed, "sample": plan.sample}
    return create(team, plan, source, items, user)


def _groups(asked: ComparedSet, runs: Sequence[int], is_of_first: bool | None) -> list[int]:
    """Ids of groups, one for each position of the set; None for those of any run."""
    at = AtPositions(asked.positions())
    rows = at.groups(ResponseGroup.objects.filter(run__in=runs))
    if is_of_first is not None:
        run, step, mode = asked.comparison.entries[asked.a if is_of_first else asked.b]
        rows = rows.filter(run=run, step=step, kind=KINDS.get(mode))
    values = rows.values_list("position", "document", "position__text_hash", "position__byte_offset", "pk")
    return list(
        {
            place: key
            for place, document, text, byte, key in values.order_by("pk")
            if at.position_of(document, bytes(text), byte)
        }.values()
    )


def _drawn(groups: Sequence[int], plan: QueuePlan) -> list[ResponseGroup]:
    """The groups in an order that the seed and their positions decide."""
    seed: Any = Value(plan.seed, BigIntegerField())
    order = Func(F("position_id"), seed, function="hashint8extended", output_field=BigIntegerField())
    rows = ResponseGroup.objects.filter(pk__in=groups).annotate(drawn=order).order_by("drawn", "position_id")
    return list(rows[: MOST_ITEMS if plan.sample is None else plan.sample])
