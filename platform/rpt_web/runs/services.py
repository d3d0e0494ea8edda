"""A run's life. The only code that changes `Run.status`, always by one conditional UPDATE.

    queued --claim--> running --finish--> succeeded | failed | cancelled
      ^                  |
      +--- hand_back, interrupt, requeue_or_lose (until max_attempts, then failed or lost); retry from a final state

A claim raises `attempt`, the fencing token: whatever a runner writes, it writes only while the row is still running
under its attempt. Times are the database's, so that the clocks of the workers do not matter.
Celery only wakes workers. A message that could not be sent, or got lost, is sent again by the reaper (`take_overdue`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Now
from kombu.exceptions import OperationalError as BrokerError

from rpt_core.config import StageConfig
from rpt_core.errors import UserError
from rpt_core.presets import PlannedRun
from rpt_web.celery import app as celery_app
from rpt_web.runs.models import Checkpoint, Experiment, Run, Status
from rpt_web.runs.versions import code_version
from rpt_web.teams.models import User
from rpt_web.text import UNSTORABLE, clean_text

__all__ = [
    "artifact",
    "claim",
    "code_version",
    "create_experiment",
    "dispatch",
    "finish",
    "hand_back",
    "has_overdue",
    "interrupt",
    "is_cancel_requested",
    "lapsed_runs",
    "owned",
    "renew",
    "request_cancel",
    "requeue_or_lose",
    "retry",
    "submit",
    "submit_planned",
    "take_overdue",
]

EXECUTE_RUN = "workers.execute_run"
DEFAULT_ATTEMPTS = 3
logger = logging.getLogger(__name__)


def create_experiment(
    name: str, user: User | None, *, preset: str = "", seed: int = 0, description: str = ""
) -> Experiment:
    """A new, empty experiment. Raises UserError for a name that cannot be stored."""
    name = _checked_name(name, "experiment", 200)
    return Experiment.objects.create(
        name=name, created_by=user, preset=preset, seed=seed, description=clean_text(description)
    )


def submit(
    experiment: Experiment,
    name: str,
    config: StageConfig,
    user: User | None,
    *,
    title: str = "",
    max_attempts: int = DEFAULT_ATTEMPTS,
) -> Run:
    """Queue a run with its config frozen, and wake a worker on commit. Raises UserError when the name is taken."""
    values = config.model_dump(mode="json")
    _refuse_unstorable(values)
    run = Run(
        experiment=experiment,
        name=_checked_run_name(name),
        title=clean_text(title)[:200],
        stage=config.stage,
        config=values,
        seed=config.seed,
        code_version=code_version(),
        created_by=user,
        max_attempts=max_attempts,
    )
    try:
        with transaction.atomic():
            run.save(force_insert=True)
            transaction.on_commit(partial(dispatch, run.pk))
    except IntegrityError as error:
        if "run_name_once_per_experiment" not in str(error):
            raise
        raise UserError(f"This experiment already has a run named {name!r}. Choose another name.") from None
    return run


def submit_planned(experiment: Experiment, planned: PlannedRun, user: User | None) -> Run:
    """Submit one run of a preset; its references mean runs of this experiment, which must have succeeded."""

    def lookup(name: str, what: str) -> str | float:
        needed = experiment.runs.filter(name=name).first()
        if needed is None:
            raise UserError(f"{planned.name!r} needs the run {name!r} of this experiment. Run that one first.")
        return artifact(needed, what)

    return submit(experiment, planned.name, planned.resolve(experiment.seed, lookup), user, title=planned.title)


def artifact(run: Run, what: str) -> str | float:
    """What a later run needs of this one: "checkpoint" or "positions" (folders), or "flops" (a number)."""
    if run.status != Status.SUCCEEDED:
        raise UserError(f"The run {run.name!r} has not succeeded; it is {run.status}. Wait for it or retry it first.")
    if what == "positions":
        return str(run.directory / "positions")
    if what == "flops" and run.flops is not None:
        return run.flops
    newest = Checkpoint.objects.filter(run=run).order_by("step").last() if what == "checkpoint" else None
    if newest is None:
        raise UserError(f"The run {run.name!r} of stage {run.stage} has no {what}. Name a run that has.")
    return str(run.directory / newest.path)


def dispatch(run_id: int) -> bool:
    """Send the task that wakes a worker. A failure is logged and left to the reaper."""
    try:
        celery_app.send_task(EXECUTE_RUN, [run_id])
    except (BrokerError, OSError) as error:
        logger.warning("run %s could not be sent to the queue (%s); the reaper will send it again", run_id, error)
        return False
    Run.objects.filter(pk=run_id, status=Status.QUEUED).update(dispatched_at=Now())
    return True


def claim(run_id: int, worker: str) -> Run | None:
    """Make a queued run this worker's own; None when somebody else has it or it is no longer queued."""
    queued = Run.objects.filter(pk=run_id, status=Status.QUEUED)
    with transaction.atomic():
        claimed = queued.update(
            status=Status.RUNNING,
            attempt=F("attempt") + 1,
            worker=worker[:200],
            lease_until=_lease_end(),
            started_at=Now(),
            finished_at=None,
        )
        return Run.objects.get(pk=run_id) if claimed else None


def owned(run: Run) -> QuerySet[Run]:
    """The run's row while it is running under this attempt: what every write of a runner must go through."""
    return Run.objects.filter(pk=run.pk, attempt=run.attempt, status=Status.RUNNING)


def renew(run: Run) -> bool:
    """Hold the lease on; False when the run is no longer this attempt's. Refreshes `run.cancel_requested_at`."""
    if not owned(run).update(lease_until=_lease_end()):
        return False
    run.refresh_from_db(fields=["cancel_requested_at"])
    return True


def is_cancel_requested(run: Run) -> bool:
    """Whether somebody asked to cancel this run: one cheap SELECT between two renewals."""
    return Run.objects.filter(pk=run.pk, cancel_requested_at__isnull=False).exists()


def finish(
    run: Run,
    attempt: int,
    status: Status,
    *,
    error: str = "",
    log_tail: str = "",
    exit_code: int | None = None,
) -> bool:
    """End an attempt's run; False when the run is no longer this attempt's."""
    mine = Run.objects.filter(pk=run.pk, attempt=attempt, status=Status.RUNNING)
    return _end(mine, status, error=clean_text(error), log_tail=clean_text(log_tail), exit_code=exit_code)


def interrupt(run: Run, error: str, *, log_tail: str = "", exit_code: int | None = None) -> Status | None:
    """The stage died without a word (killed, out of memory): queue the run again, or fail it at the cap."""
    texts: dict[str, Any] = {"error": clean_text(error), "log_tail": clean_text(log_tail), "exit_code": exit_code}
    return _release(owned(run), Status.FAILED, **texts)


def hand_back(run: Run) -> Status | None:
    """The worker is being stopped: queue the run again. The cap rises by one, so that this attempt does not count."""
    return _release(owned(run), Status.LOST, allowance=1)


def requeue_or_lose(run: Run) -> Status | None:
    """For the reaper: a run whose lease has lapsed is queued again, or lost at the cap.

    None when the lease was renewed or somebody else was faster.
    """
    error = (
        f"The worker fell silent in attempt {run.attempt} of {run.max_attempts}. Look at its log, then retry the run."
    )
    return _release(owned(run).filter(lease_until__lt=Now()), Status.LOST, error=error)


def request_cancel(run: Run, user: User | None) -> None:
    """Cancel a queued run at once; ask the runner of a running one to stop. Raises UserError when it has ended."""
    logger.info("cancel of run %s requested by %s", run.pk, user)
    if _end(Run.objects.filter(pk=run.pk, status=Status.QUEUED), Status.CANCELLED, cancel_requested_at=Now()):
        return
    running = Run.objects.filter(pk=run.pk, status=Status.RUNNING)
    if not running.update(cancel_requested_at=Now()):
        run.refresh_from_db(fields=["status"])
        raise UserError(
            f"The run {run.name!r} has ended ({run.status}). Only queued and running runs can be cancelled."
        )


def retry(run: Run, user: User | None) -> None:
    """Queue a failed, cancelled or lost run again; it goes on from its newest checkpoint. UserError otherwise."""
    logger.info("retry of run %s requested by %s", run.pk, user)
    ended = Run.objects.filter(pk=run.pk, status__in=(Status.FAILED, Status.CANCELLED, Status.LOST))
    with transaction.atomic():
        retried = ended.update(
            **_QUEUED,
            max_attempts=F("attempt") + DEFAULT_ATTEMPTS,
            cancel_requested_at=None,
            finished_at=None,
            error="",
            log_tail="",
            exit_code=None,
        )
        if retried:
            transaction.on_commit(partial(dispatch, run.pk))
            return
    run.refresh_from_db(fields=["status"])
    raise UserError(f"The run {run.name!r} is {run.status}. Only failed, cancelled and lost runs can be retried.")


def lapsed_runs(limit: int = 100) -> Iterator[Run]:
    """Running rows whose lease is over, locked, without those another reaper has. Use inside a transaction."""
    lapsed = Run.objects.filter(status=Status.RUNNING, lease_until__lt=Now()).order_by("lease_until")
    yield from lapsed.select_for_update(skip_locked=True)[:limit]


def has_overdue(older_than_seconds: float) -> bool:
    """Whether a queued run was not sent for so long."""
    return _overdue(older_than_seconds).exists()


def take_overdue(older_than_seconds: float, limit: int = 100) -> list[int]:
    """Ids of queued runs that were not sent for so long, marked as sent now: the caller sends them."""
    with transaction.atomic():
        overdue = _overdue(older_than_seconds).order_by("id").select_for_update(skip_locked=True)
        ids = list(overdue.values_list("pk", flat=True)[:limit])
        Run.objects.filter(pk__in=ids).update(dispatched_at=Now())
    return ids


_QUEUED: dict[str, Any] = {"status": Status.QUEUED, "worker": "", "lease_until": None, "dispatched_at": None}


def _release(rows: QuerySet[Run], otherwise: Status, allowance: int = 0, **values: Any) -> Status | None:
    """Running -> cancelled if that was asked, queued while below the cap, else the given end; None when not ours."""
    if _end(rows.filter(cancel_requested_at__isnull=False), Status.CANCELLED):
        return Status.CANCELLED
    if _requeue(rows, allowance):
        return Status.QUEUED
    return otherwise if _end(rows, otherwise, **values) else None


def _requeue(rows: QuerySet[Run], allowance: int) -> bool:
    below = rows.filter(cancel_requested_at=None, attempt__lt=F("max_attempts") + allowance)
    with transaction.atomic():
        ids = list(below.values_list("pk", flat=True))
        requeued = below.update(**_QUEUED, max_attempts=F("max_attempts") + allowance)
        for run_id in ids if requeued else []:
            transaction.on_commit(partial(dispatch, run_id))
    return bool(requeued)


def _end(rows: QuerySet[Run], status: Status, **values: Any) -> bool:
    return bool(rows.update(status=status, finished_at=Now(), lease_until=None, **values))


def _overdue(older_than_seconds: float) -> QuerySet[Run]:
    long_ago = Q(dispatched_at__lt=Now() - timedelta(seconds=older_than_seconds))
    return Run.objects.filter(long_ago | Q(dispatched_at=None), status=Status.QUEUED)


def _lease_end() -> Combinable:
    return Now() + timedelta(seconds=settings.RPT_LEASE_SECONDS)


def _checked_name(name: str, noun: str, longest: int) -> str:
    name = name.strip()
    if not name or len(name) > longest or not name.isprintable():
        shown = clean_text(name)[:200]
        raise UserError(f"{shown!r} cannot be the name of this {noun}. Give 1 to {longest} printable characters.")
    return name


def _checked_run_name(name: str) -> str:
    name = _checked_name(name, "run", 100)
    if "/" in name or name.startswith("@"):  # presets refer to runs as @NAME/WHAT
        raise UserError(f"{name!r} cannot be the name of this run. Leave out slashes and a leading @.")
    return name


def _refuse_unstorable(value: Any) -> None:
    if isinstance(value, str) and UNSTORABLE.search(value):
        shown = clean_text(value)[:80]
        raise UserError(f"The config holds a text with a NUL or half a character: {shown!r}. Remove it.")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _refuse_unstorable(item)
