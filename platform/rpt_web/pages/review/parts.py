"""What stands in the middle of an item's page, by the item's kind.

In: an item, who looks, what is hidden from them. Out: for the templates; what is hidden is absent.
"""

from __future__ import annotations

from typing import Any

from rpt_web.pages.position_addresses import place_of
from rpt_web.review.models import ItemKind, ReviewItem
from rpt_web.review.shown import shown_response
from rpt_web.review.shown_groups import shown_group
from rpt_web.review.shown_pairs import shown_pair
from rpt_web.review.shown_positions import shown_position
from rpt_web.teams.models import User
from rpt_web.traces.models import ResponseGroup


def part_of(user: User, item: ReviewItem, *, with_truth: bool, with_origin: bool) -> dict[str, Any]:
    """`part` names the template; one of `pair`, `group`, `position`, `shown` is there."""
    if item.kind == ItemKind.PAIR:
        return {"part": "pair", "pair": shown_pair(item, user, with_truth=with_truth, with_origin=with_origin)}
    if item.kind == ItemKind.POSITION:
        found = shown_position(item, with_truth=with_truth, with_origin=with_origin)
        return {"part": "position", "position": found}
    group = shown_group(item, with_truth=with_truth) if item.kind == ItemKind.GROUP else ()
    if group:
        return {"part": "group", "group": group}
    return {"part": "response", "shown": shown_response(item, with_truth=with_truth)}


def origin_of(item: ReviewItem, *, is_hidden: bool) -> dict[str, Any]:
    """`item`, for the card of its origin: none where that is hidden, and of a pair, whose sides tell it (1 query)."""
    if is_hidden or item.kind == ItemKind.PAIR:
        return {"item": None}
    return {
        "item": item,
        "first_response": _first_response(item),
        "place": place_of(item.place) if item.place else "",
    }


def _first_response(item: ReviewItem) -> int | None:
    """Id of the response that its origin leads to: its own, or its group's first."""
    if item.kind != ItemKind.GROUP:
        return item.rollout_id
    rows = ResponseGroup.objects.filter(run=item.run_id or 0, step=item.step or 0, kind=item.rollout_kind)
    return rows.filter(group=item.group or 0).values_list("first_rollout", flat=True).first()
