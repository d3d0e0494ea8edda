"""Several runs are changed at once: each as it would be alone, and what was not done says why.

In: runs that may be changed, and those that may only be seen. Out: which were changed; the others, each with a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rpt_core.errors import UserError
from rpt_web.jobs.models import Job
from rpt_web.runs import archive, deletion, services
from rpt_web.runs.models import Run
from rpt_web.teams.models import User

MOST = 500
"""Runs at once."""
NOT_YOURS = "somebody else has submitted it; ask them or an administrator"
ACTS: dict[str, Callable[[Run, User], None]] = {
    "cancel": services.request_cancel,
    "retry": services.retry,
    "archive": archive.archive,
    "bring-back": archive.bring_back,
}
"""What can be done with several -> what does it with one."""
DELETE = "delete"


@dataclass
class SeveralChanged:
    """What came of it."""

    done: list[Run] = field(default_factory=list)
    refused: list[tuple[Run, str]] = field(default_factory=list)
    job: Job | None = None
    """That deletes those that are done."""


def change(what: str, runs: Sequence[Run], others: Sequence[Run], user: User) -> SeveralChanged:
    """Do with each of the runs what one of ACTS says, or have them deleted; the others may only be seen."""
    found = SeveralChanged(refused=[(run, NOT_YOURS) for run in others])
    if what == DELETE:
        return _deleted(found, runs, user)
    for run in runs:
        try:
            ACTS[what](run, user)
            found.done.append(run)
        except UserError as error:
            found.refused.append((run, str(error)))
    return found


def _deleted(found: SeveralChanged, runs: Sequence[Run], user: User) -> SeveralChanged:
    may = []
    for run in runs:
        try:
            deletion.refuse_needed([run])
            may.append(run)
        except UserError as error:
            found.refused.append((run, str(error)))
    if may:
        try:
            found.job = deletion.ask(may, user)
            found.done = may
        except UserError as error:
            found.refused += [(run, str(error)) for run in may]
    return found
