"""A position as a reviewer sees it: the text before it, what was predicted there, and how each run did, once told.

In: an item. Out: plain data. Only runs of the queue's team count. What is hidden is absent: without their origin, the
predictions of all runs stand together, without rewards.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from django.db.models import Q

from rpt_web.review.models import ReviewItem
from rpt_web.review.shown import ShownResponse, shown_rows
from rpt_web.traces.models import ResponseGroup, Rollout

MOST_GROUPS = 8
"""The newest runs' newest."""
MOST_PREDICTIONS = 16


@dataclass(frozen=True)
class SaidThere:
    """A prediction with how often it was given; None stands for responses without a box."""

    prediction: bytes | None
    times: int


@dataclass(frozen=True)
class ShownPosition:
    """A position as a reviewer reads it."""

    first: ShownResponse
    """A response there, for the text before it and, unless that is hidden, how it continues."""
    said: Sequence[SaidThere]
    """Distinct predictions, the most frequent first."""
    left_out: int
    """Distinct ones that are not shown."""
    responses: int
    groups: Sequence[ResponseGroup]
    """Whose responses these are, with their runs; none while that is hidden."""


def shown_position(item: ReviewItem, *, with_truth: bool, with_origin: bool) -> ShownPosition | None:
    """The position of an item; None where no run of the team has it any more (3 queries)."""
    rows = ResponseGroup.objects.filter(position=item.place_id or 0, run__experiment__team=item.queue.team_id)
    groups = list(rows.select_related("run").order_by("-run_id", "-step", "-id")[:MOST_GROUPS])
    members = _members(groups) if groups else []
    first = next((found for found in members if found), None)
    if first is None:
        return None
    counts = Counter(_prediction(row) for found in members for row in found)
    said = [SaidThere(prediction, times) for prediction, times in counts.most_common(MOST_PREDICTIONS)]
    return ShownPosition(
        first=shown_rows(first[:1], with_truth=with_truth)[0],
        said=said,
        left_out=len(counts) - len(said),
        responses=counts.total(),
        groups=groups if with_origin else (),
    )


def _members(groups: Sequence[ResponseGroup]) -> list[list[Rollout]]:
    """The responses of each group in their order (1 query)."""
    found: dict[tuple[int, int, str, int], list[Rollout]] = defaultdict(list)
    for row in Rollout.objects.filter(reduce(or_, map(_of_group, groups))).order_by("id"):
        found[row.run_id, row.step, row.kind, row.group].append(row)
    return [found[group.run_id, group.step, group.kind, group.group] for group in groups]


def _of_group(group: ResponseGroup) -> Q:
    end = group.first_rollout + group.samples  # without it Postgres reads the step of eighty thousand rows
    return Q(run_id=group.run_id, id__gte=group.first_rollout, id__lt=end, group=group.group)


def _prediction(row: Rollout) -> bytes | None:
    return None if row.prediction is None else bytes(row.prediction)
