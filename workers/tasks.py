"""The one Celery task: claim a run and execute it. Delivered twice, the second delivery claims nothing and returns."""

from __future__ import annotations

import logging
import os

from rpt_web.celery import app
from rpt_web.runs import services
from rpt_web.runs.nodes import own_name
from workers import runner, shutdown

logger = logging.getLogger(__name__)


@app.task(name=services.EXECUTE_RUN)
def execute_run(run_id: int) -> None:
    """Wake up for a run."""
    if shutdown.is_requested():
        return  # it stays queued; the reaper sends it to another worker
    run = services.claim(run_id, worker_name())
    if run is None:
        logger.info("run %s is not queued any more", run_id)
        return
    runner.execute(run)


def worker_name() -> str:
    """Node and process, as shown on the run's page."""
    return f"{own_name()}:{os.getpid()}"
