"""What a worker holds of a run and says of it: the row while it is its own, the lease, signs of life. No new status.

A claim (`services.claim`) raises `attempt`, the fencing token; every write of a runner goes through `owned`. Times are
the database's.
"""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from rpt_web.notices.models import AlarmKind
from rpt_web.numbers import duration
from rpt_web.runs.alarms import raise_alarm
from rpt_web.runs.models import Run, Status
from rpt_web.text import clean_text


def owned(run: Run) -> QuerySet[Run]:
    """The run's row while it is running under this attempt: what every write of a runner must go through."""
    return Run.objects.filter(pk=run.pk, attempt=run.attempt, status=Status.RUNNING)


def renew(run: Run) -> bool:
    """Hold the lease on; False when the run is no longer this attempt's. Refreshes `run.cancel_requested_at`."""
    if not owned(run).update(lease_until=lease_end()):
        return False
    run.refresh_from_db(fields=["cancel_requested_at"])
    return True


def is_cancel_requested(run: Run) -> bool:
    """Whether somebody asked to cancel this run: one cheap SELECT between two renewals."""
    return Run.objects.filter(pk=run.pk, cancel_requested_at__isnull=False).exists()


def note_obstacle(run_id: int, error: str) -> None:
    """Say on a queued run why no worker has taken it."""
    Run.objects.filter(pk=run_id, status=Status.QUEUED).update(error=clean_text(error))


def note_quiet(run: Run, seconds: float | None) -> None:
    """Say for how long a run's stage has given no sign of life, with an alarm; None when it gives one again."""
    is_ours = owned(run).update(quiet_since=None if seconds is None else Now() - timedelta(seconds=seconds))
    if is_ours and seconds is not None:
        words = f"Its stage has written nothing and computed nothing for {duration(seconds)}."
        raise_alarm(run, AlarmKind.STALLED, f"quiet:{run.attempt}", words)


def lease_end() -> Combinable:
    """Until when a claim or a renewal holds."""
    return Now() + timedelta(seconds=settings.RPT_LEASE_SECONDS)
