"""Who has done what with runs: kept when somebody cancels or retries, read by the page and the API.

In: runs and users. Out: rows, querysets, words.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import QuerySet
from django.utils import timezone

from rpt_web.runs.models import Deed, Experiment, Run, RunDeed
from rpt_web.teams.models import User


def note(runs: Sequence[Run], what: Deed, by: User | None) -> None:
    """Keep who asked for it; None is a program (1 query)."""
    RunDeed.objects.bulk_create([RunDeed(run=run, what=what, by=by, at=timezone.now()) for run in runs])


def deeds_of(run: Run) -> list[RunDeed]:
    """Who has cancelled and retried a run, oldest first (1 query)."""
    return list(run.deeds.select_related("by").order_by("id"))


def submitted_by(user: User | None, experiment: Experiment) -> QuerySet[Run]:
    """The runs of an experiment that the user has submitted; all for None."""
    return experiment.runs.all() if user is None else experiment.runs.filter(created_by=user)


def called(user: User | None) -> str:
    """The same in words."""
    return "run of this experiment" if user is None else f"run that {user} has submitted to this experiment"
