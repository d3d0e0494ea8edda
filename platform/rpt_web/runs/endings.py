"""Telling the owner of a run that it has ended, or that somebody else has cancelled it. Called by `runs.services`.

In: runs. Out: notices, and alarms for what ended badly. Nobody is told what they did themselves, and of a run that a
program submitted nobody is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from rpt_web.notices import deliveries
from rpt_web.notices import services as notices
from rpt_web.notices.models import AlarmKind, NoticeKind
from rpt_web.runs.alarms import payload_of, raise_alarm, unique_key
from rpt_web.runs.models import Run, Status
from rpt_web.teams.models import User


def tell(run: Run, status: Status, error: str = "") -> None:
    """A run has succeeded, failed or been lost. Those of an experiment that succeed share a notice until it is read."""
    if status == Status.SUCCEEDED:
        _tell_succeeded(run, f"“{run.name}” of {run.experiment.name} has succeeded.")
    elif status != Status.CANCELLED:
        kind = AlarmKind.NOT_FINITE if " is not finite" in error else AlarmKind.ENDED
        words = f"It {'was lost' if status == Status.LOST else 'has failed'}. {error}"
        raise_alarm(run, kind, unique_key(AlarmKind.ENDED), words, notice=NoticeKind.FAILED, step=run.step)


def tell_again(run: Run, words: str) -> None:
    """A run was queued again though nobody asked for it: its stage was killed, or its worker fell silent."""
    raise_alarm(run, AlarmKind.STALLED, f"again:{run.attempt}", f"{words} It is queued again.")


def _tell_succeeded(run: Run, words: str) -> None:
    if run.created_by_id is not None:
        many = f"{{}} runs of {_as_it_is(run.experiment.name)} have succeeded."
        about = {"run_id": run.pk, "experiment_id": run.experiment_id}
        notices.tell_gathered(run.created_by_id, NoticeKind.SUCCEEDED, words, many, **about)
    deliveries.post(run.experiment.team_id, lambda: payload_of(run, "succeeded", words), is_success=True)


def tell_cancelled(runs: Sequence[Run], by: User | None) -> None:
    """Somebody has cancelled runs: one notice for each owner (1 query for each)."""
    by_owner: dict[int, list[Run]] = defaultdict(list)
    for run in runs:
        if run.created_by_id is not None and (by is None or run.created_by_id != by.pk):
            by_owner[run.created_by_id].append(run)
    who = "A program" if by is None else by.username
    for owner, theirs in by_owner.items():
        if len(theirs) == 1:
            name = f"“{theirs[0].name}” of {theirs[0].experiment.name}"
            words, about = f"{who} has cancelled {name}.", {"run_id": theirs[0].pk}
        else:
            words = f"{who} has cancelled {len(theirs)} of your runs in {theirs[0].experiment.name}."
            about = {"experiment_id": theirs[0].experiment_id}
        notices.tell([owner], NoticeKind.CANCELLED, words, **about)


def _as_it_is(name: str) -> str:
    """A name that stands in a template."""
    return name.replace("{", "{{").replace("}", "}}")
