"""A group as a reviewer sees it: the responses to one problem in one step.

In: an item. Out: plain data; the shard is read once.
"""

from __future__ import annotations

from collections.abc import Sequence

from rpt_web.review.models import ReviewItem
from rpt_web.review.shown import ShownResponse, shown_rows
from rpt_web.traces.models import LARGEST_SHARD_ROWS, Rollout, rollout_id

MOST_SHOWN = 16
"""Responses of a group."""


def shown_group(item: ReviewItem, *, with_truth: bool) -> Sequence[ShownResponse]:
    """Its responses in their order, at most MOST_SHOWN; none where they are gone (3 queries)."""
    first = rollout_id(item.step or 0, item.rollout_kind, 0)
    rows = Rollout.objects.filter(run_id=item.run_id or 0, id__gte=first, id__lt=first + LARGEST_SHARD_ROWS)
    found = list(rows.filter(group=item.group or 0).order_by("id")[:MOST_SHOWN])
    return shown_rows(found, with_truth=with_truth)
