"""How far a queue is, for a team and for one person.

In: queues, a user. Out: numbers, by a few queries for all queues.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from django.db.models import Avg, Count, Q, Sum
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
    of_user = Review.objects.filter(item__queue__in=ids, reviewer=user).order_by().values("item__queue")
    counted = of_user.annotate(
        done=Count("id", filter=Q(submitted_at__isnull=False)), open=Count("id", filter=Q(submitted_at=None))
    )
    own = {row["item__queue"]: (row["done"], row["open"]) for row in counted}
    return {pk: QueueProgress(*whole, *own.get(pk, ())) for pk, whole in _by_all(ids).items()}


def of_queue(queue: ReviewQueue, user: User) -> tuple[QueueProgress, list[ReviewerLine]]:
    """A queue, and everybody who has items of it, by name (3 queries)."""
    people = of_reviewers(queue)
    own = [(line.submitted, line.assigned - line.submitted) for line in people if line.username == user.username]
    return QueueProgress(*_by_all([queue.pk])[queue.pk], *(own[0] if own else ())), people


def of_reviewers(queue: ReviewQueue) -> list[ReviewerLine]:
    """Everybody who has items of the queue, by name (2 queries: a join for the names would be one of each review)."""
    done = Q(submitted_at__isnull=False)
    rows = Review.objects.filter(item__queue=queue).order_by().values_list("reviewer")
    counted = rows.annotate(
        submitted=Count("id", filter=done),
        assigned=Count("id"),
        pace=Avg("seconds", filter=done & Q(is_imported=False)),
        flagged=Count("id", filter=Q(is_flagged=True) & done),
    )
    found = {reviewer: numbers for reviewer, *numbers in counted}
    names = User.objects.filter(pk__in=found).order_by("username").values_list("pk", "username")
    return [ReviewerLine(name, *found[pk]) for pk, name in names]


def _by_all(ids: Sequence[int]) -> dict[int, tuple[int, ...]]:
    """By the queue's id: reviews that are wanted, those of them that were submitted, items (1 query)."""
    rows = ReviewItem.objects.filter(queue__in=ids).order_by().values("queue")
    counted = rows.annotate(all=Sum("wanted"), done=Sum(Least("submitted", "wanted")), count=Count("id"))
    found = {row["queue"]: (row["all"], row["done"], row["count"]) for row in counted}
    return {pk: found.get(pk, ()) for pk in ids}


def pace(queue: ReviewQueue, user: User) -> float | None:
    """Seconds for an item, of the user's last ones; None before the first (1 query)."""
    own = Review.objects.filter(item__queue=queue, reviewer=user, is_imported=False).exclude(submitted_at=None)
    last = list(own.order_by("-submitted_at").values_list("seconds", flat=True)[:PACE_OF])
    return median(last) if last else None
