"""What a reviewer does: takes an item, drafts a review, submits it, takes it back.

Each change is one conditional UPDATE that names the version it began with, so a second tab or a request that is sent
again loses and doubles nothing. An item of a queue that is open to all is held for whoever has taken it, and longer
with each draft; after a while others may take it, too, and a late review is still accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import Now

from rpt_core.errors import UserError
from rpt_web.review import disputes, sides
from rpt_web.review.models import Review, ReviewItem, ReviewQueue
from rpt_web.review.questions import ReviewQuestion, checked_answers, from_stored
from rpt_web.teams.models import User
from rpt_web.text import clean_text

HELD = timedelta(minutes=30)
LONGEST_NOTE = 10_000
LONGEST_SECONDS = 24 * 3600.0
CLOSED = "The queue is closed: nothing more is submitted. Its page shows what was."
YET_TO_SUBMIT = (
    "Submit your own review of this item first, also in every other queue in which it waits for you. Then you may "
    "settle it."
)


class StaleReview(UserError):
    """Somebody has seen an older version of the review: `review` is how it is by now."""

    def __init__(self, words: str, review: Review) -> None:
        super().__init__(words)
        self.words = words
        self.review = review


@dataclass(frozen=True)
class Draft:
    """What a reviewer's page sends. `version` is that of the review which it began with."""

    version: int
    answers: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    is_flagged: bool = False
    seconds: float = 0.0


def questions_of(queue: ReviewQueue) -> list[ReviewQuestion]:
    """What the queue asks."""
    return from_stored(queue.version.questions)


def take_next(queue: ReviewQueue, user: User) -> Review | None:
    """The user's first open item; of a queue that is open to all, a new one after that. None when nothing is left."""
    if queue.closed_at is not None:
        return None
    own = Review.objects.filter(item__queue=queue, reviewer=user, submitted_at=None)
    found = own.select_related("item").order_by("item__number").first()
    if found is not None:
        return _hold(found)
    if not queue.is_open_to_all:
        return None
    with transaction.atomic():
        _lock(queue)
        item = free_items(queue, user).order_by("number").first()
        return None if item is None else _hold(_taken(item, user))


def take(item: ReviewItem, user: User) -> Review:
    """This item for the user. Raises UserError where others have it, or it has been reviewed enough."""
    queue = item.queue
    own = Review.objects.filter(item=item, reviewer=user).first()
    if own is not None:
        return own if own.is_submitted else _hold(own)
    if queue.closed_at is not None:
        raise UserError(CLOSED)
    if not queue.is_open_to_all:
        raise UserError("The items of this queue are assigned, and this one is not yours.")
    with transaction.atomic():
        _lock(queue)
        if not free_items(queue, user).filter(pk=item.pk).exists():
            raise UserError("Somebody else has this item at the moment, or it was reviewed by enough people.")
        return _hold(_taken(item, user))


def free_items(queue: ReviewQueue, user: User) -> QuerySet[ReviewItem]:
    """Items that the user could take: fewer people than wanted have submitted or hold it, and the user does neither."""
    counts = Q(reviews__submitted_at__isnull=False) | Q(reviews__held_until__gt=Now())
    items = queue.items.filter(submitted__lt=F("wanted")).exclude(reviews__reviewer=user)
    return items.annotate(taken=Count("reviews", filter=counts)).filter(taken__lt=F("wanted"))


def save_draft(review: Review, draft: Draft) -> Review:
    """Keep what was entered so far. Raises StaleReview, and UserError for an answer that does not fit."""
    return _store(review, draft, is_submit=False)


def submit(review: Review, draft: Draft) -> Review:
    """From now on it counts, and its reviewer sees what others said. Raises as `save_draft`, and for a gap."""
    return _store(review, draft, is_submit=True)


def take_back(review: Review) -> bool:
    """Make the user's last review a draft again, unless its reviewer has been shown what others said. Whether it is.

    Those before it stand from then on: lists told of them what others said, since they were not the last.
    """
    with transaction.atomic():
        own = Review.objects.filter(item__queue=review.item.queue_id, reviewer=review.reviewer_id)
        last = own.exclude(submitted_at=None).order_by("-submitted_at", "-id").first()
        if last is None or last.pk != review.pk or review.item.queue.closed_at is not None:
            return False
        unseen = Review.objects.filter(pk=review.pk, seen_at=None).exclude(submitted_at=None)
        if not unseen.update(submitted_at=None, version=F("version") + 1, held_until=Now() + HELD):
            return False
        ReviewItem.objects.filter(pk=review.item_id).update(submitted=F("submitted") - 1)
        own.exclude(submitted_at=None).filter(seen_at=None).update(seen_at=Now())
        disputes.note([review.item_id])
    return True


def note_seen(reviews: QuerySet[Review], user: User) -> None:
    """Of these items the user is shown what others said: what they have submitted themselves stands."""
    own = Review.objects.filter(reviewer=user.pk, seen_at=None, item__in=reviews.values("item"))
    own.exclude(submitted_at=None).update(seen_at=Now())


def _store(review: Review, draft: Draft, *, is_submit: bool) -> Review:
    queue = review.item.queue
    if queue.closed_at is not None:
        raise UserError(CLOSED)
    values = _values(questions_of(queue), draft, is_submit)
    values["answers"] = sides.turned(values["answers"], review.is_swapped)
    more = {"submitted_at": Now()} if is_submit else {}
    with transaction.atomic():
        same = Review.objects.filter(pk=review.pk, version=draft.version, submitted_at=None)
        changed = same.update(version=draft.version + 1, changed_at=Now(), held_until=Now() + HELD, **values, **more)
        if changed and is_submit:
            ReviewItem.objects.filter(pk=review.item_id).update(submitted=F("submitted") + 1)
            disputes.note([review.item_id])
    fresh = Review.objects.select_related("item__queue__version").get(pk=review.pk)
    if not changed and not _is_repeated(fresh, draft, values, is_submit):
        raise StaleReview(_stale(fresh), fresh)
    return fresh


def _taken(item: ReviewItem, user: User) -> Review:
    return Review.objects.create(item=item, reviewer=user, is_swapped=sides.is_swapped(item, user.pk))


def _values(questions: list[ReviewQuestion], draft: Draft, is_submit: bool) -> dict[str, Any]:
    if len(draft.note) > LONGEST_NOTE:
        raise UserError(f"A note has at most {LONGEST_NOTE:,} characters. Shorten it.")
    return {
        "answers": checked_answers(questions, draft.answers, whole=is_submit),
        "note": clean_text(draft.note).strip(),
        "is_flagged": draft.is_flagged,
        "seconds": min(max(draft.seconds, 0.0), LONGEST_SECONDS),
    }


def _is_repeated(fresh: Review, draft: Draft, values: Mapping[str, Any], is_submit: bool) -> bool:
    """Whether this very change is stored already: its answer got lost on the way, and it was sent again."""
    same = all(getattr(fresh, name) == value for name, value in values.items() if name != "seconds")
    return same and fresh.version == draft.version + 1 and fresh.is_submitted == is_submit


def _stale(fresh: Review) -> str:
    if fresh.is_submitted:
        return "You have submitted this item already, perhaps in another tab. What you submitted stands."
    return "This item was changed in another tab. The page now shows what was saved there."


def _hold(review: Review) -> Review:
    Review.objects.filter(pk=review.pk).update(held_until=Now() + HELD)
    Review.objects.filter(pk=review.pk, taken_at=None).update(taken_at=Now())
    return Review.objects.select_related("item__queue__version").get(pk=review.pk)


def _lock(queue: ReviewQueue) -> None:
    """Items of one queue are given out one after the other, so that two people never get one place."""
    ReviewQueue.objects.select_for_update(no_key=True).get(pk=queue.pk)
