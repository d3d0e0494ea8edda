"""The baseline that a team measures the rows of a leaderboard by.

In: a row of a group. Out: it is the team's baseline there, in place of any other one, and workers compute by how much
each row of the group is above it (`workers.leads`).
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import F

from rpt_core.errors import UserError
from rpt_web.results.models import PinnedBaseline, Standing
from rpt_web.runs.models import Experiment
from rpt_web.teams.models import Team, User


def pin(team: Team, standing: Standing, user: User) -> PinnedBaseline:
    """Make a row the baseline of its group. Raises UserError where nothing can be compared."""
    if not standing.group:
        raise UserError(
            "At which positions this row was measured is not known, so it cannot be a baseline. Evaluate the "
            "checkpoint again and pin the row that this makes."
        )
    with transaction.atomic():
        PinnedBaseline.objects.filter(team=team, group=standing.group).delete()
        made = PinnedBaseline.objects.create(team=team, group=standing.group, standing=standing, pinned_by=user)
        # The next round of the reaper computes the differences.
        Experiment.objects.filter(pk=standing.experiment_id).update(results_version=F("results_version") + 1)
    return made


def unpin(team: Team, group: str) -> bool:
    """Have no baseline in a group; whether there was one."""
    return PinnedBaseline.objects.filter(team=team, group=group).delete()[0] > 0
