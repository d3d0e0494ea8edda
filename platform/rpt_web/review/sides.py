"""Which response of a pair stands on the left for whom, and answers turned from sides to responses and back.

An answer is stored as what it says of the responses: `a` is the first of the item, `b` the second. A reviewer sees
sides A and B, which are swapped at random for each item and reviewer, so what they answer is turned before it is
stored, and what is stored is turned before it is shown. With that, agreement, export and decisions know of no sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from rpt_web.review.models import ItemKind, ReviewItem
from rpt_web.teams.models import User

QUESTION = "better"
"""Of the label set for pairs: whose answers name a side."""
SECRET = "sides"
"""Of a queue's source: a random text that nobody is shown."""
_TURNED = {"a": "b", "b": "a"}


def is_swapped(item: ReviewItem, reviewer_id: int) -> bool:
    """Whether the second response stands on the left; it follows from the queue's secret, the item and the reviewer.

    Queues from before there was a secret have their seed in its place, by which a reviewer could work it out.
    """
    if item.kind != ItemKind.PAIR:
        return False
    seed = item.queue.source.get(SECRET, item.queue.source.get("seed", 0))
    digest = blake2b(f"{item.queue_id}:{seed}:{item.number}:{reviewer_id}".encode(), digest_size=8).digest()
    return digest[0] % 2 == 1


def turned(answers: Mapping[str, Any], swapped: bool) -> dict[str, Any]:
    """Answers about sides as those about responses, or the other way round."""
    found = dict(answers)
    if swapped and found.get(QUESTION) in _TURNED:
        found[QUESTION] = _TURNED[found[QUESTION]]
    return found


def as_seen_by(item: ReviewItem, answers: Mapping[str, Any], reader: User) -> dict[str, Any]:
    """Anybody's stored answers in the sides that the reader has the item in."""
    return turned(answers, is_swapped(item, reader.pk))
