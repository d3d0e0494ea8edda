"""A run's life. The only code that changes `Run.status`, always by one conditional UPDATE.

    waiting --advance--> queued --claim--> running --finish--> succeeded | failed | cancelled
                           ^                  |
                           +--- hand_back, interrupt, requeue_or_lose (until max_attempts, then failed or lost)

A run of a suite waits until all that it needs has succeeded; then its references are resolved and its config frozen.
`advance` does that after each success, and the reaper in each round. A run that ends badly stops only those that need
it. `retry` and `resubmit` bring ended runs back: to the queue, or to waiting when they never had a config.

A claim raises `attempt`, the fencing token: whatever a runner writes, it writes only while the row is still running
under its attempt (`leases`). Times are the database's, so that the clocks of the workers do not matter.
Celery only wakes workers. A message that could not be sent, or got lost, is sent again by the reaper (`take_overdue`).
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Now
from pydantic import ValidationError

from rpt_core.errors import UserError
from rpt_web.jobs.models import UNENDED
from rpt_web.runs import attempts, checks, choosing, deeds, endings, gpus, parents, places, planning, waking
from rpt_web.runs.leases import is_cancel_requested, lease_end, note_obstacle, note_quiet, owned, renew
from rpt_web.runs.models import ENDED_BADLY, UNFINISHED, Deed, Experiment, NextPlace, Run, Status
from rpt_web.runs.planning import artifact
from rpt_web.runs.submitting import (
    DEFAULT_ATTEMPTS,
    create_experiment,
    refuse_taken_names,
    submit,
    submit_planned,
    submit_suite,
    submit_sweep,
)
from rpt_web.runs.versions import code_on_disk, code_version
from rpt_web.runs.waking import EXECUTE_RUN, dispatch
from rpt_web.teams.models import User
from rpt_web.text import clean_text

__all__ = [
    "EXECUTE_RUN",
    "advance",
    "artifact",
    "cancel_experiment",
    "claim",
    "claim_next",
    "code_version",
    "create_experiment",
    "dispatch",
    "finish",
    "hand_back",
    "interrupt",
    "is_cancel_requested",
    "note_obstacle",
    "note_quiet",
    "owned",
    "refuse_taken_names",
    "renew",
    "request_cancel",
    "requeue_or_lose",
    "resubmit",
    "retry",
    "submit",
    "submit_planned",
    "submit_suite",
    "submit_sweep",
]

NOT_QUEUED = (
    "Internal error while the run was being queued. Look at the log of the process that queued it, then retry the run."
)
logger = logging.getLogger(__name__)


def advance(experiment_id: int) -> list[Run]:
    """Queue the waiting runs of an experiment whose needs have all succeeded, and return them.

    Safe beside another's: each is queued once. One whose config turns out not to fit fails and says why.
    """
    ready = list(planning.ready_runs().filter(experiment=experiment_id).select_related("experiment").order_by("id"))
    needed = {name for run in ready for name in run.needs}
    by_name = {run.name: run for run in Run.objects.filter(experiment=experiment_id, name__in=needed)}
    return [run for run in ready if _start(run, by_name)]


def claim(run_id: int, worker: str) -> Run | None:
    """Make a queued run this worker's own; None when somebody else has it or it is no longer queued."""
    code = code_on_disk()  # its stage is a new process, whatever this one has loaded
    with transaction.atomic():
        return _claim(choosing.Pick(run_id, None), worker, code)


def claim_next(run_id: int, worker: str) -> Run | None:
    """For a worker that was woken for a run: claim the first one of its queue that there is room for; None for none.

    A message only wakes a worker, so that the order can be changed after the messages were sent.
    """
    queue, node = Run.objects.filter(pk=run_id).values_list("queue", flat=True).first(), worker.rpartition(":")[0]
    if not queue or not places.in_order(queue).exists():
        return None
    code = code_on_disk()
    with transaction.atomic():
        choosing.hold_claims()
        while (choice := choosing.choose(queue, node)) is not None:
            if (run := _claim(choice, worker, code)) is not None:
                gpus.lease(node, run, choice.gpus or ())
                return run  # otherwise somebody has cancelled it
    return None


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
    texts = {"error": clean_text(error), "log_tail": clean_text(log_tail)}
    with transaction.atomic():
        ended = _end_and_tell(run, mine, status, time_spent=_TO_NOW, exit_code=exit_code, **texts)
        if ended and status == Status.SUCCEEDED:
            Experiment.objects.filter(pk=run.experiment_id).update(results_version=F("results_version") + 1)
            # After the commit: of two runs that end at the same time, one then sees that both have succeeded.
            transaction.on_commit(partial(advance, run.experiment_id), robust=True)
    return ended


def interrupt(run: Run, error: str, *, log_tail: str = "", exit_code: int | None = None) -> Status | None:
    """The stage died without a word (killed, out of memory): queue the run again, or fail it at the cap."""
    texts: dict[str, Any] = {"error": clean_text(error), "log_tail": clean_text(log_tail), "exit_code": exit_code}
    status = _release(run, owned(run), Status.FAILED, **texts)
    if status == Status.QUEUED:
        endings.tell_again(run, error)
    return status


def hand_back(run: Run, error: str = "") -> Status | None:
    """The worker cannot go on, for no fault of the run: queue it again. The cap rises by one, so that this attempt does
    not count."""
    status = _release(run, owned(run), Status.LOST, allowance=1)
    if error and status == Status.QUEUED:
        note_obstacle(run.pk, error)
    return status


def requeue_or_lose(run: Run) -> Status | None:
    """For the reaper: a run whose lease has lapsed is queued again, or lost at the cap.

    None when the lease was renewed or somebody else was faster. The time of its attempt ends with the lease.
    """
    error = (
        f"The worker fell silent in attempt {run.attempt}, the last automatic one. Look at its log, then retry the run."
    )
    lapsed = owned(run).filter(lease_until__lt=Now())
    status = _release(run, lapsed, Status.LOST, time_spent=_TO_LEASE_END, error=error)
    if status == Status.QUEUED:
        endings.tell_again(run, f"The worker {run.worker} fell silent in attempt {run.attempt}.")
    return status


def request_cancel(run: Run, user: User | None) -> None:
    """Cancel a waiting or queued run at once; ask the runner of a running one to stop. UserError when it has ended."""
    logger.info("cancel of run %s requested by %s", run.pk, user)
    if not _cancel(Run.objects.filter(pk=run.pk), user):
        run.refresh_from_db(fields=["status"])
        raise UserError(
            f"The run {run.name!r} has ended ({run.status}). Only waiting, queued and running runs can be cancelled."
        )


def cancel_experiment(experiment: Experiment, user: User | None, *, of: User | None = None) -> list[Run]:
    """The same for all that has not ended, `of` one user or of all; returns it as it was. UserError for none."""
    logger.info("cancel of all runs of experiment %s requested by %s", experiment.pk, user)
    runs = _cancel(deeds.submitted_by(of, experiment), user)
    if not runs:
        raise UserError(f"There is nothing to cancel: every {deeds.called(of)} has ended.")
    return runs


def retry(run: Run, user: User | None) -> None:
    """Queue a failed, cancelled or lost run again; it continues from its newest checkpoint. UserError otherwise."""
    logger.info("retry of run %s requested by %s", run.pk, user)
    if not _bring_back(Run.objects.filter(pk=run.pk), user):
        run.refresh_from_db(fields=["status", "deletion"])
        if run.is_being_deleted:
            raise UserError(f"The run {run.name!r} is being deleted.")
        raise UserError(
            f"The run {run.name!r} has the status {run.status}. Only failed, cancelled and lost runs can be retried."
        )


def resubmit(experiment: Experiment, user: User | None, *, of: User | None = None) -> list[Run]:
    """Bring back every run that failed, was cancelled or lost, `of` one user or of all. UserError for none."""
    logger.info("resubmit of experiment %s requested by %s", experiment.pk, user)
    runs = _bring_back(deeds.submitted_by(of, experiment), user)
    if not runs:
        raise UserError(f"Nothing is missing: no {deeds.called(of)} has failed, was cancelled or lost.")
    return runs


def _claim(choice: choosing.Pick, worker: str, code: str) -> Run | None:
    claimed = Run.objects.filter(pk=choice.run_id, status=Status.QUEUED).update(
        status=Status.RUNNING,
        attempt=F("attempt") + 1,
        attempt_code_version=code,
        worker=worker[:200],
        lease_until=lease_end(),
        started_at=Now(),
        finished_at=None,
        progress="",
        error="",
        quiet_since=None,
    )
    if not claimed:
        return None
    run = Run.objects.get(pk=choice.run_id)
    attempts.note(run, choice.gpus)
    return run


_QUEUED: dict[str, Any] = {"status": Status.QUEUED, "worker": "", "lease_until": None, "dispatched_at": None}
_UNENDED: dict[str, Any] = {
    "cancel_requested_at": None,
    "finished_at": None,
    "error": "",
    "log_tail": "",
    "exit_code": None,
    "archived_at": None,
}
# A run's time with the attempt that is being ended, now or at its lease's end.
_TO_NOW: Combinable = F("time_spent") + (Now() - F("started_at"))
_TO_LEASE_END: Combinable = F("time_spent") + (F("lease_until") - F("started_at"))


def _start(run: Run, by_name: dict[str, Run]) -> bool:
    """Waiting -> queued with its config, or failed; False when it is not queued by this call."""
    waiting = Run.objects.filter(pk=run.pk, status=Status.WAITING)
    try:
        frozen = planning.admitted(planning.resolve_waiting(run, by_name), run.experiment.team_id)
    except (UserError, ValidationError) as error:
        words = checks.in_words(error) if isinstance(error, ValidationError) else str(error)
        fault = f"Its config does not fit what the runs before it made. {words}"
        _end_and_tell(run, waiting, Status.FAILED, error=clean_text(fault))
        return False
    except Exception:
        logger.exception("run %s cannot be queued", run.pk)
        _end_and_tell(run, waiting, Status.FAILED, error=NOT_QUEUED)
        return False
    with transaction.atomic():
        queued = waiting.update(**_QUEUED, **frozen, place=NextPlace(), code_version=code_version())
        if queued:
            run.config = frozen["config"]
            parents.record([run])
            transaction.on_commit(partial(waking.dispatch, run.pk))
    return bool(queued)


def _cancel(rows: QuerySet[Run], user: User | None) -> list[Run]:
    """Waiting or queued -> cancelled; running ones are asked to stop. Returns the runs as they were.

    All are locked first, so that meanwhile none starts, ends or goes back to the queue.
    """
    with transaction.atomic():
        unfinished = rows.filter(status__in=UNFINISHED).order_by("id").select_for_update(no_key=True)
        runs = list(unfinished.only("name", "status", "experiment", "created_by"))
        locked = Run.objects.filter(pk__in=[run.pk for run in runs])
        locked.update(cancel_requested_at=Now())
        _end(locked.exclude(status=Status.RUNNING), Status.CANCELLED)
        deeds.note(runs, Deed.CANCELLED, user)
        endings.tell_cancelled(runs, user)
    return runs


def _bring_back(rows: QuerySet[Run], user: User | None) -> list[Run]:
    """Ended badly -> queued, or waiting when it never had a config; returns the runs as they were."""
    with transaction.atomic():
        ended = rows.filter(status__in=ENDED_BADLY).exclude(deletion__state__in=UNENDED)
        runs = list(ended.order_by("id").select_for_update(of=("self",), no_key=True))
        queued, waiting = [run.pk for run in runs if run.config], [run.pk for run in runs if not run.config]
        fresh = _UNENDED | {"max_attempts": F("attempt") + DEFAULT_ATTEMPTS}
        Run.objects.filter(pk__in=queued).update(**_QUEUED, **fresh, place=NextPlace())
        Run.objects.filter(pk__in=waiting).update(status=Status.WAITING, **fresh)
        deeds.note(runs, Deed.RETRIED, user)
        transaction.on_commit(partial(waking.dispatch_all, queued))
        for experiment_id in {run.experiment_id for run in runs if not run.config}:
            transaction.on_commit(partial(advance, experiment_id), robust=True)
    return runs


def _release(
    run: Run,
    rows: QuerySet[Run],
    otherwise: Status,
    *,
    allowance: int = 0,
    time_spent: Combinable = _TO_NOW,
    **values: Any,
) -> Status | None:
    """Running -> cancelled if that was asked, queued while below the cap, else the given end; None when not ours."""
    with transaction.atomic():
        if _end(rows.filter(cancel_requested_at__isnull=False), Status.CANCELLED, time_spent=time_spent):
            waking.wake_held()
            return Status.CANCELLED
    if _requeue(rows, allowance, time_spent):
        return Status.QUEUED
    return otherwise if _end_and_tell(run, rows, otherwise, time_spent=time_spent, **values) else None


def _requeue(rows: QuerySet[Run], allowance: int, time_spent: Combinable) -> bool:
    below = rows.filter(cancel_requested_at=None, attempt__lt=F("max_attempts") + allowance)
    with transaction.atomic():
        ids = list(below.values_list("pk", flat=True))
        requeued = below.update(**_QUEUED, max_attempts=F("max_attempts") + allowance, time_spent=time_spent)
        for run_id in ids if requeued else []:
            transaction.on_commit(partial(waking.dispatch, run_id))
    return bool(requeued)


def _end_and_tell(run: Run, rows: QuerySet[Run], status: Status, **values: Any) -> bool:
    """The same for one run; its owner reads of it."""
    with transaction.atomic(savepoint=False):
        ended = _end(rows, status, **values)
        if ended:
            endings.tell(run, status, values.get("error", ""))
            waking.wake_held()
    return ended


def _end(rows: QuerySet[Run], status: Status, **values: Any) -> bool:
    return bool(rows.update(status=status, finished_at=Now(), lease_until=None, **values))
