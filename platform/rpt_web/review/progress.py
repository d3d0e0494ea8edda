"""How far a queue is, for a team and for one person.

In: queues, a user. Out: numbers, by one query for all queues.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from django.db.models import Avg, Count, F, Q, Sum
from django.db.models.functions import Least

from rpt_web.review.models import Review, ReviewItem, ReviewQueue
from rpt_web.teams.models import User

PACE_OF = 30
"""So many of somebody's last items say how fast they are."""


@dataclass(frozen=True)
class QueueProgress:
    """Reviews that were submitted, of those wanted; and the reader's own."""

    wanted: int = 0
    submitted: int = 0
    items: int = 0
    own_submitted: int = 0
    own_open: int = 0

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.submitted / self.wanted if self.wanted else 0.0

    @property
    def own_total(self) -> int:
        """What was given to the reader, or taken."""
        return self.own_submitted + self.own_open

    @property
    def is_done(self) -> bool:
        """Whether nothing is left for anybody."""
        return self.submitted >= self.wanted


@dataclass(frozen=True)
class ReviewerLine:
    """How far one reviewer is, and how fast."""

    username: str
    submitted: int
    assigned: int
    seconds: float | None
    flagged: int


def of_queues(queues: Sequence[ReviewQueue], user: User) -> dict[int, QueueProgress]:
    """By the queue's id (2 queries)."""
    ids = [queue.pk for queue in queues]
    rows = ReviewItem.objects.filter(queue__in=ids).order_by().values("queue")
    whole = {
        row["queue"]: row
        for row in rows.annotate(all=Sum("wanted"), done=Sum(Least("submitted", "wanted")), count=Count("id"))
    }
    of_user = Review.objects.filter(item__queue__in=ids, reviewer=user).order_by().values("item__queue")
    own = {
        row["item__queue"]: row
        for row in of_user.annotate(
            done=Count("id", filter=Q(submitted_at__isnull=False)), open=Count("id", filter=Q(submitted_at=None))
        )
    }
    found = {}
    for pk in ids:
        row: Mapping[str, Any] = whole.get(pk, {})
        mine: Mapping[str, Any] = own.get(pk, {})
        found[pk] = QueueProgress(
            row.get("all", 0), row.get("done", 0), row.get("count", 0), mine.get("done", 0), mine.get("open", 0)
        )
    return found


def of_reviewers(queue: ReviewQueue) -> list[ReviewerLine]:
    """Everybody who has items of the queue, by name (1 query)."""
    done = Q(submitted_at__isnull=False)
    rows = Review.objects.filter(item__queue=queue).order_by().values(name=F("reviewer__username"))
    counted = rows.annotate(
        submitted=Count("id", filter=done),
        assigned=Count("id"),
        pace=Avg("seconds", filter=done & Q(is_imported=False)),
        flagged=Count("id", filter=Q(is_flagged=True) & done),
    )
    return [
        ReviewerLine(row["name"], row["submitted"], row["assigned"], row["pace"], row["flagged"])
        for row in counted.order_by("reviewer__username")
    ]


def pace(queue: ReviewQueue, user: User) -> float | None:
    """Seconds for an item, of the user's last ones; None before the first (1 query)."""
    own = Review.objects.filter(item__queue=queue, reviewer=user, is_imported=False).exclude(submitted_at=None)
    last = list(own.order_by("-submitted_at").values_list("seconds", flat=True)[:PACE_OF])
    return median(last) if last else None
