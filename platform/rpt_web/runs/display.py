"""What pages say of a run, in words: its state, how long it took, how long it will take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from rpt_core.words import counted
from rpt_web.runs.models import UNFINISHED, Run, RunEvent, Status


@dataclass(frozen=True)
class State:
    """A run's state as shown: a word, a colour of the style sheet, an icon, a sentence."""

    label: str
    colour: str
    icon: str
    words: str


_STATES = {
    Status.WAITING: State("Waiting", "hollow", "circle-dashed", "Starts when the runs that it needs have succeeded."),
    Status.QUEUED: State("Queued", "grey", "clock", "Waits for a free worker."),
    Status.RUNNING: State("Running", "blue", "", "A worker is running it."),
    Status.SUCCEEDED: State("Succeeded", "green", "check", "Finished without an error."),
    Status.FAILED: State("Failed", "red", "x", "Ended with an error."),
    Status.CANCELLED: State("Cancelled", "amber", "ban", "Stopped on request, after a checkpoint."),
    Status.LOST: State(
        "Lost", "violet", "unlink", "Its worker disappeared too often. A retry continues from the newest checkpoint."
    ),
}
_BLOCKED = State("Blocked", "red", "ban", "Cannot start: a run that it needs did not succeed.")
_CANCELLING = State("Cancelling", "amber", "", "Stops after its next checkpoint.")
_DELETING = State("Being deleted", "red", "trash", "A worker removes it, its rows and its files.")
_QUIET = State("Not responding", "violet", "", "Its stage is doing nothing. It will be stopped and tried again.")
_SILENT = State("Silent", "violet", "", "Its worker does not respond; another worker will take over soon.")


def run_state(run: Run, blockers: Sequence[str] = ()) -> State:
    """The state to show: also whether a waiting run is blocked by `blockers`, whether a running one is being
    cancelled, and whether its worker or its stage has gone silent."""
    if run.is_being_deleted:
        return _DELETING
    if run.status == Status.WAITING and blockers:
        return _BLOCKED
    if run.is_active and run.cancel_requested_at:
        return _CANCELLING
    if is_silent(run):
        return _SILENT
    if run.status == Status.RUNNING and run.quiet_since:
        return _QUIET
    return _STATES[Status(run.status)]


def is_silent(run: Run) -> bool:
    """Whether a running run's worker has not renewed its lease."""
    return run.status == Status.RUNNING and run.lease_until is not None and run.lease_until < timezone.now()


def heard_at(run: Run, lease_seconds: float) -> datetime | None:
    """When the worker of a running run last renewed its lease of so many seconds; None for any other run."""
    if run.status != Status.RUNNING or run.lease_until is None:
        return None
    return run.lease_until - timedelta(seconds=lease_seconds)


def attempt_time(run: Run) -> timedelta | None:
    """How long the attempt under way has run; one whose worker is silent, until its lease ended."""
    if run.status != Status.RUNNING or run.started_at is None:
        return None
    now = timezone.now()
    return max(min(now, run.lease_until or now) - run.started_at, timedelta(0))


def run_time(run: Run) -> timedelta | None:
    """How long a run has run in all its attempts; None before the first, and when that of some is not known."""
    if not run.attempt or run.time_spent is None:
        return None
    return run.time_spent + (attempt_time(run) or timedelta(0))


def time_left(step: int | None, total: int | None, pace: float | None) -> float | None:
    """Seconds until the last step at a pace of seconds for each step; None when that cannot be said."""
    if step is None or not total or pace is None or step <= 0:
        return None
    return max(total - step, 0) * pace


def share_done(run: Run) -> float | None:
    """Done steps as a fraction; 1 for a run that succeeded."""
    if run.status == Status.SUCCEEDED:
        return 1.0
    if run.step is None or not run.total_steps:
        return None
    return min(run.step / run.total_steps, 1.0)


def unended(runs: Sequence[Run]) -> str:
    """How many of the runs have not ended: 7 runs (4 waiting, 2 queued, 1 running). Empty for none."""
    states = Counter(str(run.status) for run in runs if run.status in UNFINISHED)
    each = ", ".join(f"{states[status]} {status}" for status in UNFINISHED if states[status])
    return f"{counted(states.total(), 'run')} ({each})" if states else ""


def event_words(event: RunEvent) -> str:
    """An event in words; the page escapes them."""
    if event.type == "started" and event.data.get("total_steps") is None:
        return f"Started from step {event.data.get('start_step', 0)}"
    template = _EVENT_WORDS.get(event.type)
    return template.format_map(_Data(event.data)) if template else event.type


class _Data(dict[str, Any]):
    """An event's data for a template: counts with separators, and a dash for what is missing."""

    def __getitem__(self, key: str) -> Any:
        value = super().get(key, "–")
        return f"{value:,}" if isinstance(value, int) else value


_EVENT_WORDS = {
    "started": "Started from step {start_step} of {total_steps}",
    "checkpoint": "Checkpoint of step {step} saved as {path}",
    "evaluation": "Policy evaluated at step {step}",
    "corpus": "Corpus “{name}” read; bad records: {bad}",
    "positions": "{split}: {kept} of {positions} positions kept",
    "engine_config": "Configuration that {engine} runs with written to {path}",
    "table": "Table “{title}” written",
    "log": "{message}",
    "finished": "Finished",
    "stopped": "Stopped cleanly at step {step}",
    "failed": "{message}",
}
