"""The Celery app with kinds of jobs that only tests know: what `celery -A` of their quick worker names."""

import time

import django

from rpt_web.celery import app

django.setup(set_prefix=False)

from workers import jobs  # noqa: E402 - it reads models

__all__ = ["app"]


def count(job, report):
    """So many steps of so many seconds."""
    steps = job.arguments["steps"]
    for step in range(steps):
        report(step / steps, f"step {step}")
        time.sleep(job.arguments["seconds"])
    return {"steps": steps, "attempt": job.attempt}


def hoard(job, report):
    """Takes ever more memory."""
    taken = []
    while True:
        report(None, f"{len(taken)} taken")
        taken.append(b"x" * 10_000_000)


jobs.KINDS["count"] = count
jobs.KINDS["hoard"] = hoard
