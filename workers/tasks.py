"""The Celery tasks: claim the first run of a queue, or a job, and execute it.

Each queued run has its message, and each message claims one run at most: one that is delivered twice finds nothing.
"""

from __future__ import annotations

import logging
import os

from rpt_web.celery import app
from rpt_web.jobs import services as job_services
from rpt_web.notices.deliveries import DELIVER
from rpt_web.runs import nodes, services, waking
from rpt_web.runs.nodes import own_name
from workers import deliveries, disk, jobs, runner, shutdown

logger = logging.getLogger(__name__)


@app.task(name=services.EXECUTE_RUN)
def execute_run(run_id: int) -> None:
    """Wake up for a run."""
    if shutdown.is_requested():
        return  # it stays queued; the reaper sends it to another worker
    if words := disk.problem():
        logger.error("this worker takes no runs: %s", words)
        services.note_obstacle(run_id, f"{worker_name()} does not take it: {words}")
        return  # it stays queued; the reaper sends it again, and asks again
    if nodes.is_drained(own_name()):
        waking.leave(run_id)
        return
    run = services.claim_next(run_id, worker_name())
    if run is None:
        logger.info("woken for run %s, but there is none to take: none is queued, or each has to wait", run_id)
        return
    runner.execute(run)


@app.task(name=job_services.EXECUTE_JOB)
def execute_job(job_id: int) -> None:
    """Wake up for a job of the quick lane."""
    if shutdown.is_requested():
        return  # it stays queued; the reaper sends it again
    if words := disk.problem():
        logger.error("this worker takes no jobs: %s", words)
        job_services.note_obstacle(job_id, f"{worker_name()} does not take it: {words}")
        return
    job = job_services.claim(job_id, worker_name())
    if job is None:
        logger.info("job %s is not queued any more", job_id)
        return
    jobs.execute(job)


@app.task(name=DELIVER)
def deliver() -> None:
    """Wake up for what is to go out."""
    deliveries.send_due()


def worker_name() -> str:
    """Node and process, as shown on the run's page."""
    return f"{own_name()}:{os.getpid()}"
