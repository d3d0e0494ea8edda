"""What a job's function says of its progress, and hears in return: that it is to stop.

    report = JobReport(job); report(0.4, "Reading a.jsonl")   # raises Stopping when the job is to end
A thread renews the lease meanwhile, so that a step that says nothing for long does not lose the job.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from enum import Enum
from types import TracebackType
from typing import Any

from django.conf import settings
from django.db import connection

from rpt_web.jobs import services
from rpt_web.jobs.models import Job
from workers import shutdown
from workers.outages import is_away

SECONDS_BETWEEN_WRITES = 0.5
LOOKS_PER_LEASE = 8
LONGEST_PAUSE_SECONDS = 1.0
"""Between two looks for a cancel."""
logger = logging.getLogger(__name__)


class Why(Enum):
    """Why a job is to stop."""

    CANCELLED = "somebody has cancelled it"
    FENCED = "another worker has it"
    SHUTDOWN = "the worker is being stopped"


class Stopping(Exception):
    """The job's function is to end here."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


class JobReport:
    """Tells of one attempt of a job. Use as a context manager, which keeps the lease."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._why: Why | None = None
        self._done = threading.Event()
        self._next_write = 0.0
        self._thread = threading.Thread(target=self._keep, name=f"job-{job.pk}", daemon=True)

    def __enter__(self) -> JobReport:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()

    def __call__(
        self, progress: float | None = None, message: str = "", result: Mapping[str, Any] | None = None
    ) -> None:
        """Say how far it is, and what has been found so far. Cheap: most calls write nothing. Raises Stopping."""
        self.check()
        now = time.monotonic()
        if now < self._next_write:
            return
        self._next_write = now + SECONDS_BETWEEN_WRITES
        if not services.note(self.job, progress, message, result):
            raise Stopping(Why.FENCED)

    def check(self) -> None:
        """Raises Stopping when the job is to end."""
        if shutdown.is_requested():
            raise Stopping(Why.SHUTDOWN)
        if self._why is not None:
            raise Stopping(self._why)

    def _keep(self) -> None:
        pause = min(LONGEST_PAUSE_SECONDS, settings.RPT_LEASE_SECONDS / LOOKS_PER_LEASE)
        while self._why is None and not self._done.wait(pause):
            try:
                self._look()
            except Exception as error:
                if not is_away(error):
                    logger.exception("the lease of job %s cannot be renewed", self.job.pk)
            finally:
                connection.close()

    def _look(self) -> None:
        if not services.renew(self.job):
            self._why = Why.FENCED
        elif services.is_cancel_requested(self.job):
            self._why = Why.CANCELLED
