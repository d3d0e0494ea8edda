"""What is done with a queue as a whole: items of somebody who left go to others, and a queue is deleted.

In: a queue that the user may manage. Out: rows; what was submitted is never given to anybody else. Both stand in the
audit trail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from django.db import transaction

from rpt_core.errors import UserError
from rpt_core.words import counted, listed
from rpt_web.notices import services as notices
from rpt_web.notices.models import NoticeKind
from rpt_web.review import sides
from rpt_web.review.models import Decision, Reassignment, Review, ReviewItem, ReviewQueue
from rpt_web.review.queues import reviewers_of
from rpt_web.review.reviews import CLOSED
from rpt_web.teams.models import User


@dataclass(frozen=True)
class OnQueue:
    """What would go with a queue."""

    items: int
    submitted: int
    by_others: int
    """Of these, reviews of other people than who asks."""
    drafts: int
    """Reviews that were begun and not submitted."""
    decisions: int


def hanging_on(queue: ReviewQueue, user: User) -> OnQueue:
    """What hangs on it (5 queries)."""
    reviews = Review.objects.filter(item__queue=queue)
    submitted = reviews.exclude(submitted_at=None)
    return OnQueue(
        items=ReviewItem.objects.filter(queue=queue).count(),
        submitted=submitted.count(),
        by_others=submitted.exclude(reviewer=user).count(),
        drafts=reviews.filter(submitted_at=None, version__gt=0).count(),
        decisions=Decision.objects.filter(queue=queue).count(),
    )


def why_not_delete(queue: ReviewQueue, user: User, *, is_administrator: bool) -> str:
    """Why the user may not delete it; empty when they may. Raises nothing."""
    others = hanging_on(queue, user).by_others
    if is_administrator or not others:
        return ""
    return (
        f"It holds {counted(others, 'review')} of other people. Close it, or ask an administrator of the team, who may "
        "delete it."
    )


def delete(queue: ReviewQueue, user: User, *, is_administrator: bool) -> OnQueue:
    """Delete it with its items, reviews and decisions. Raises UserError where others' reviews are in it."""
    with transaction.atomic():
        ReviewQueue.objects.select_for_update().get(pk=queue.pk)
        if words := why_not_delete(queue, user, is_administrator=is_administrator):
            raise UserError(words)
        gone = hanging_on(queue, user)
        queue.delete()
    return gone


def with_open_items(queue: ReviewQueue) -> list[tuple[User, int, bool]]:
    """Who has items that they have yet to submit, how many, and whether they may still review (3 queries)."""
    rows = Review.objects.filter(item__queue=queue, submitted_at=None).values_list("reviewer", flat=True)
    counts: dict[int, int] = {}
    for key in rows:
        counts[key] = counts.get(key, 0) + 1
    able = {person.pk for person in reviewers_of(queue.team)}
    people = User.objects.filter(pk__in=counts).order_by("username")
    return [(person, counts[person.pk], person.pk in able) for person in people]


def reassign(queue: ReviewQueue, leaver: User, takers: Sequence[User], user: User) -> int:
    """Give what somebody has yet to submit to others in turn; returns how many items. Raises UserError.

    A taker who has an item already is passed over for it; an item that each of them has stays where it is.
    """
    _check(queue, leaver, takers)
    with transaction.atomic():
        ReviewQueue.objects.select_for_update(no_key=True).get(pk=queue.pk)
        mine = Review.objects.filter(item__queue=queue, reviewer=leaver, submitted_at=None)
        open_ = list(mine.select_for_update().select_related("item").order_by("item__number"))
        given = _given(open_, takers)
        Review.objects.filter(pk__in=[review.pk for review, _ in given]).delete()
        made = [
            Review(item=review.item, reviewer=taker, is_swapped=sides.is_swapped(review.item, taker.pk))
            for review, taker in given
        ]
        Review.objects.bulk_create(made, batch_size=1000)
        if not made:
            raise UserError(_nothing(leaver, bool(open_)))
        names = ", ".join(taker.username for taker in takers)
        Reassignment.objects.create(queue=queue, user=leaver, taken_by=names, items=len(made), made_by=user)
        _tell(queue, {taker.pk for _, taker in given} - {user.pk}, user)
    return len(made)


def _check(queue: ReviewQueue, leaver: User, takers: Sequence[User]) -> None:
    if queue.closed_at is not None:
        raise UserError(CLOSED)
    if queue.is_open_to_all:
        raise UserError("The items of this queue are open to all: what somebody leaves is given to whoever is next.")
    if not takers:
        raise UserError("Choose who takes the items.")
    able = {person.pk for person in reviewers_of(queue.team)}
    strangers = [person.username for person in takers if person.pk not in able or person.pk == leaver.pk]
    if strangers:
        raise UserError(
            f"{listed(strangers)} cannot take them: only other members and administrators of {queue.team.name} review."
        )


def _given(open_: Sequence[Review], takers: Sequence[User]) -> list[tuple[Review, User]]:
    """Each review with who takes its item: the next in turn who does not have it."""
    rows = Review.objects.filter(item__in=[review.item_id for review in open_], reviewer__in=takers)
    has, turn = set(rows.values_list("item", "reviewer")), cycle(takers)
    given = []
    for review in open_:
        taker = next((person for person in islice(turn, len(takers)) if (review.item_id, person.pk) not in has), None)
        if taker is not None:
            given.append((review, taker))
    return given


def _nothing(leaver: User, has_some: bool) -> str:
    if has_some:
        return "Whoever you chose reviews all of these items already. Choose somebody else."
    return f"{leaver.username} has nothing to submit in this queue."


def _tell(queue: ReviewQueue, people: set[int], user: User) -> None:
    text = f"{user.username} has given you items to review: “{queue.name}”."
    notices.tell(sorted(people), NoticeKind.REVIEW, text, queue_id=queue.pk)
