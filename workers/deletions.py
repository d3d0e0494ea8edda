"""The jobs that delete corpora and runs, in the name of whoever has asked for it.

In: a claimed job with what was asked. Out: rows and files are gone (`corpora.deletion`, `runs.deletion`). Between two
versions, or two runs, it can be stopped; what is deleted by then stays deleted, and the rest stays as it was.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pghistory

from rpt_core.errors import UserError, said
from rpt_web.corpora import deletion
from rpt_web.jobs.models import Job
from rpt_web.numbers import size
from rpt_web.runs import deletion as deletion_of_runs
from rpt_web.teams.audit import who
from workers.reports import JobReport


def delete(job: Job, report: JobReport) -> dict[str, Any]:
    """Delete what a job names."""
    numbers, freed = job.arguments["numbers"], 0
    with nullcontext() if job.created_by is None else pghistory.context(**who(job.created_by)):
        try:
            for done, number in enumerate(numbers):
                report(done / len(numbers), f"Deleting version {number}")
                freed += deletion.delete_version(job, number)
            freed += deletion.delete_rest(job)
        except OSError as error:
            raise UserError(
                f"Something could not be removed: {said(error)}. Look at the rights of the corpus's folder; whatever "
                "is deleted of this corpus next takes it along."
            ) from error
    return {"bytes": freed, "words": f"{size(freed)} of the disk are free again."}


def delete_runs(job: Job, report: JobReport) -> dict[str, Any]:
    """Delete the runs that a job names, and their experiment where that was asked."""
    keys, freed = job.arguments["runs"], 0
    with nullcontext() if job.created_by is None else pghistory.context(**who(job.created_by)):
        try:
            for done, key in enumerate(keys):
                report(done / len(keys), f"Deleting run {key}")
                freed += deletion_of_runs.delete_run(job, key)
            freed += deletion_of_runs.delete_rest(job)
        except OSError as error:
            raise UserError(
                f"Something could not be removed: {said(error)}. Look at the rights of that folder; whatever runs are "
                "deleted next take it along."
            ) from error
    return {"bytes": freed, "words": f"{size(freed)} of the disk are free again."}
