"""What people of a filled platform said of responses and of positions: two queues, each item for two people.

In: people, items, keys. Out: objects that are not stored yet. The last items wait for their reviewers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from rpt_web.review.models import Review, ReviewItem, ReviewQueue
from rpt_web.supervisor.filling.library import Makers
from rpt_web.traces.models import Rollout

REVIEWERS = 2
"""Of each item."""
OPEN = 20
"""So many of the last items wait."""
LABELS = ("sound", "sound", "lucky_guess", "broken_arithmetic", "loops", "copied", "gives_up")


def responses_of(rollouts: Sequence[Rollout]) -> Iterator[ReviewItem]:
    """An item for each response."""
    for row in rollouts:
        known = {name: getattr(row, name) for name in ("step", "row", "group", "document", "position", "reward")}
        yield ReviewItem(run_id=row.run_id, rollout_id=row.id, rollout_kind=row.kind, **known)


def in_queue(queue: ReviewQueue, items: Sequence[ReviewItem], keys: Sequence[int]) -> list[ReviewItem]:
    """The same items in their places, most of them done."""
    done = len(items) - OPEN
    for place, (item, pk) in enumerate(zip(items, keys, strict=True)):
        item.pk, item.queue, item.number, item.wanted = pk, queue, place + 1, REVIEWERS
        if place < done:
            item.submitted, item.dispute = REVIEWERS, float(len(set(_labels(place + 1))) > 1)
    return list(items)


def reviews_of(items: Sequence[ReviewItem], makers: Makers) -> Iterator[Review]:
    """What the first people said, who disagree about every fifth item."""
    start = makers.now - timedelta(days=30)
    for item in items:
        at = start + timedelta(minutes=item.number)
        for turn, label in enumerate(_labels(item.number)):
            said = {"answers": {"thought": label}, "version": 1, "seconds": 20.0 + item.number % 40}
            times = {"taken_at": at, "changed_at": at, "submitted_at": at + timedelta(seconds=30)}
            values = {**said, **times} if item.submitted else {"answers": {}}
            yield Review(item=item, reviewer=makers.people[turn], note="", **values)


def _labels(number: int) -> list[str]:
    """What each of them says of an item."""
    return [LABELS[(number * 3 + (turn if number % 5 == 0 else 0)) % len(LABELS)] for turn in range(REVIEWERS)]
