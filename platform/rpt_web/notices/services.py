"""Telling people, and marking as read what they have been told.

In: users, a kind, a sentence, the thing that it is about. Out: rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import QuerySet
from django.db.models.functions import Now

from rpt_web.notices import deliveries
from rpt_web.notices.models import Notice, NoticeKind
from rpt_web.notices.words import shortened

KEPT_DAYS = 180
"""What has been read is forgotten after so long."""


def tell(
    people: Iterable[int],
    kind: NoticeKind,
    text: str,
    *,
    run_id: int | None = None,
    experiment_id: int | None = None,
    comment_id: int | None = None,
    queue_id: int | None = None,
) -> list[Notice]:
    """Put a sentence into the inboxes of users, given by their ids (1 query)."""
    words, told = shortened(text), list(dict.fromkeys(people))
    about = {"run_id": run_id, "experiment_id": experiment_id, "comment_id": comment_id, "queue_id": queue_id}
    deliveries.mail(told, kind, words, **about)
    return Notice.objects.bulk_create(Notice(user_id=person, kind=kind, text=words, **about) for person in told)


def tell_gathered(person: int, kind: NoticeKind, one: str, many: str, *, run_id: int, experiment_id: int) -> None:
    """Tell of something that happens often: until the last time is read of, both stand in one notice (3 queries).

    many: the sentence for several, with {} for their number. Use inside a transaction.
    """
    unread = Notice.objects.filter(user=person, kind=kind, experiment=experiment_id, read_at=None)
    before = unread.select_for_update().first()
    count = 1 + (before.count if before else 0)
    deliveries.mail([person], kind, shortened(one), run_id=run_id)
    if before is not None:
        before.delete()
    Notice.objects.create(
        user_id=person,
        kind=kind,
        text=shortened(one if count == 1 else many.format(count)),
        count=count,
        run_id=run_id if count == 1 else None,
        experiment_id=experiment_id,
    )


def mark_read(notices: QuerySet[Notice]) -> int:
    """Mark those of the notices as read that are not; returns how many that were."""
    return notices.filter(read_at=None).update(read_at=Now())


def forget(comment_id: int) -> None:
    """Take back what was told of a comment that was taken back."""
    Notice.objects.filter(comment=comment_id).delete()


def delete_old(limit: int = 1000) -> int:
    """Forget what was read long ago. Returns how many."""
    old = Notice.objects.filter(read_at__lt=Now() - timedelta(days=KEPT_DAYS))
    ids = list(old.order_by("id").values_list("pk", flat=True)[:limit])
    Notice.objects.filter(pk__in=ids).delete()
    return len(ids)
