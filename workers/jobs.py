"""What the quick lane can do: the kinds of jobs, and how one is carried out.

In: a claimed job. Out: its row has ended. A kind is a function of the job and a `JobReport`; what it returns is the
job's result. A UserError fails the job with its sentence, and so does the need for more memory than a job may take; any
other error is a bug: its traceback goes to the worker's log under a number, which the job names.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings

from rpt_core.errors import UserError, is_full_disk
from rpt_core.machine.memory import memory_limit
from rpt_web.compare import comparisons as compared
from rpt_web.corpora import models, registry
from rpt_web.corpora import services as services_of_corpora
from rpt_web.jobs import services
from rpt_web.jobs.models import Job
from rpt_web.numbers import size
from rpt_web.reports import printing
from rpt_web.runs import checkpoints
from rpt_web.runs import deletion as deletion_of_runs
from rpt_web.runs import retention as rules
from rpt_web.searches import services as searches
from rpt_web.traces import prompts as services_of_prompts
from workers import comparisons, corpora, deletions, model_checks, prompts, report_pdfs, retention
from workers import searches as search_jobs
from workers.reports import JobReport, Stopping, Why

Work = Callable[[Job, JobReport], Mapping[str, Any]]
KINDS: dict[str, Work] = {
    services_of_corpora.LOOK: corpora.look,
    services_of_corpora.CHECK: corpora.check,
    models.DELETE: deletions.delete,
    deletion_of_runs.DELETE: deletions.delete_runs,
    rules.REMOVE: retention.remove,
    checkpoints.FREE: retention.free,
    registry.CHECK: model_checks.check,
    printing.KIND: report_pdfs.print_report,
    searches.KIND: search_jobs.search,
    compared.KIND: comparisons.compare,
    services_of_prompts.KIND: prompts.show,
}
"""Name of a kind -> its function."""
logger = logging.getLogger(__name__)


def execute(job: Job) -> None:
    """Carry out a claimed job, and end its row."""
    try:
        with JobReport(job) as report, memory_limit(settings.RPT_JOB_MEMORY_BYTES):
            result = _work_of(job)(job, report)
    except Stopping as stopping:
        _stopped(job, stopping.why)
    except UserError as error:
        services.fail(job, str(error))
    except MemoryError:
        services.fail(job, _too_large())
    except Exception as error:
        services.fail(job, _words_of(job, error))
    else:
        services.finish(job, result)


def _work_of(job: Job) -> Work:
    if job.kind not in KINDS:
        raise UserError(
            f"The worker does not know jobs of the kind {job.kind!r}: it runs other code than the web server."
        )
    return KINDS[job.kind]


def _stopped(job: Job, why: Why) -> None:
    logger.info("job %s stops: %s", job.pk, why.value)
    if why is Why.CANCELLED:
        services.end_cancelled(job)
    elif why is Why.SHUTDOWN:
        services.hand_back(job)


def _too_large() -> str:
    return (
        f"It needs more than {size(settings.RPT_JOB_MEMORY_BYTES)} of memory, all that a job may take here. A record "
        "or a line of a file may be very long: split it. Or ask an administrator to raise RPT_JOB_MEMORY_BYTES."
    )


def _words_of(job: Job, error: Exception) -> str:
    if is_full_disk(error):
        return f"The disk of {settings.RPT_DATA_DIR} is full. Free some space there, then start it again."
    number = secrets.token_hex(8)
    logger.exception("job %s (%s) failed; number %s", job.pk, job.kind, number)
    return f"Internal error, number {number}. The log of the quick worker has the details under this number."
