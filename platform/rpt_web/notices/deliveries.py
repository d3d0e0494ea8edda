"""What goes out by e-mail and webhook: rows that the quick worker takes one after the other (`workers.deliveries`).

In: notices and alarms. Out: deliveries, each tried a few times with growing pauses. Celery only wakes the worker; the
reaper wakes it again while something is due. A row is taken by moving its next try into the future first, so a worker
that dies while it sends tries again then: a message may arrive twice, never less than it could.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerError

from rpt_web.celery import app as celery_app
from rpt_web.jobs.models import QUICK_QUEUE
from rpt_web.notices.models import BY_MAIL, Delivery, MailChoice, NoticeKind, Webhook
from rpt_web.notices.words import path_of, shortened
from rpt_web.teams.models import User

DELIVER = "workers.deliver"
PAUSES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))
"""Between one try and the next; after one more it is given up."""
MOST_TRIES = len(PAUSES) + 1
KEPT_DAYS = 30
LONGEST_SUBJECT = 120
logger = logging.getLogger(__name__)


def mail(
    people: Sequence[int],
    kind: NoticeKind,
    text: str,
    *,
    run_id: int | None = None,
    experiment_id: int | None = None,
    comment_id: int | None = None,
    queue_id: int | None = None,
) -> None:
    """Queue an e-mail to those of the users, by their ids, who want this kind and have an address (2 queries)."""
    chosen = dict(MailChoice.objects.filter(user__in=people).values_list("user", "kinds"))
    asked = [person for person in people if kind in chosen.get(person, BY_MAIL)]
    if not asked:
        return
    reachable = User.objects.filter(pk__in=asked, is_active=True).exclude(email="")
    subject = shortened(f"RPT: {text}", LONGEST_SUBJECT)
    path = path_of(run_id, experiment_id, comment_id, queue_id)
    payload = {"subject": subject, "text": text, "path": path}
    _queue([Delivery(user_id=person, payload=payload) for person in reachable.values_list("pk", flat=True)])


def post(team_id: int, payload: Callable[[], dict[str, Any]], *, is_success: bool = False) -> None:
    """Queue a post to the team's webhook, where it has one that wants it (1 query)."""
    hooks = Webhook.objects.filter(team=team_id)
    hooks = hooks.filter(with_successes=True) if is_success else hooks
    _queue([Delivery(webhook_id=hook, payload=payload()) for hook in hooks.values_list("pk", flat=True)])


def dispatch() -> bool:
    """Wake a quick worker for what is due. A failure is logged and left to the reaper."""
    try:
        celery_app.send_task(DELIVER, queue=QUICK_QUEUE)
    except (BrokerError, OSError) as error:
        logger.warning("nobody can be woken for deliveries (%s); the reaper will try again", error)
        return False
    return True


def is_due(for_seconds: float) -> bool:
    """Whether something should have been tried so long ago (1 query)."""
    return _open().filter(due_at__lt=Now() - timedelta(seconds=for_seconds)).exists()


def take() -> Delivery | None:
    """The next that is due, for one try; None when there is none."""
    with transaction.atomic():
        due = _open().filter(due_at__lte=Now()).order_by("due_at", "id")
        found = due.select_for_update(skip_locked=True, of=("self",)).first()
        if found is None:
            return None
        found.due_at = timezone.now() + PAUSES[min(found.tries, len(PAUSES) - 1)]
        found.tries += 1
        found.save(update_fields=["due_at", "tries"])
    return found


def note_sent(delivery: Delivery, answer: str) -> None:
    """It went out."""
    _row(delivery).update(ended_at=Now(), went_out=True, answer=shortened(answer, 300))


def note_failed(delivery: Delivery, answer: str, *, for_good: bool = False) -> None:
    """It did not go out; it is given up after the last try, or at once for what no further try can put right."""
    is_over = for_good or delivery.tries >= MOST_TRIES
    _row(delivery).update(answer=shortened(answer, 300), **({"ended_at": Now()} if is_over else {}))


def delete_old(limit: int = 1000) -> int:
    """Forget what ended long ago. Returns how many."""
    old = Delivery.objects.filter(ended_at__lt=Now() - timedelta(days=KEPT_DAYS)).order_by("id")
    ids = list(old.values_list("pk", flat=True)[:limit])
    Delivery.objects.filter(pk__in=ids).delete()
    return len(ids)


def _queue(rows: Sequence[Delivery]) -> None:
    if Delivery.objects.bulk_create(rows):
        transaction.on_commit(partial(dispatch), robust=True)


def _open() -> QuerySet[Delivery]:
    return Delivery.objects.filter(ended_at=None)


def _row(delivery: Delivery) -> QuerySet[Delivery]:
    return Delivery.objects.filter(pk=delivery.pk, ended_at=None)
