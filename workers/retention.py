"""The job that removes old checkpoints by a team's rule, in the name of whoever has asked for it.

In: a claimed job with the runs and steps that were listed. Out: rows and folders are gone (`runs.retention`).
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pghistory

from rpt_core.errors import UserError, said
from rpt_web.jobs.models import Job
from rpt_web.numbers import size
from rpt_web.runs import retention
from rpt_web.runs.models import Run
from rpt_web.teams.audit import who
from rpt_web.teams.models import Team
from workers.reports import JobReport


def remove(job: Job, report: JobReport) -> dict[str, Any]:
    """Remove what a job lists, as far as the rule of now would still."""
    team, steps, freed = Team.objects.get(pk=job.arguments["team"]), job.arguments["steps"], 0
    with nullcontext() if job.created_by is None else pghistory.context(**who(job.created_by)):
        for done, (run, listed) in enumerate(steps.items()):
            report(done / len(steps), f"Run {run}")
            try:
                freed += retention.remove_of_run(team, int(run), listed, job.created_by)
            except OSError as error:
                raise UserError(
                    f"A checkpoint of run {run} cannot be removed: {said(error)}. Look at the rights of its folder, "
                    "then remove the rest."
                ) from error
    return {"bytes": freed, "words": f"{size(freed)} of the disk are free again."}


def free(job: Job, report: JobReport) -> dict[str, Any]:
    """Free the disk of the checkpoints of a run that somebody has deleted."""
    run = Run.objects.filter(pk=job.arguments["run"]).first()
    try:
        freed = retention.free(run) if run else 0
    except OSError as error:
        raise UserError(
            f"A checkpoint could not be removed: {said(error)}. Look at the rights of the run's folder; what is "
            "deleted of this run next takes it along."
        ) from error
    return {"bytes": freed, "words": f"{size(freed)} of the disk are free again."}
