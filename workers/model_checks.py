"""The job that looks at a registered model: `python -m rpt_core model PATH` in a process of its own.

In: a claimed job with the model's id. Out: the card on the model's row. The process has no address of the database,
has the job's limit on memory, and ends with the job. A model on a hub is fetched by it, where there is a network.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings

from rpt_core.errors import UserError
from rpt_web.corpora import registry
from rpt_web.corpora.models import RegisteredModel
from rpt_web.jobs.models import Job
from rpt_web.numbers import size
from workers.reports import JobReport

TIMEOUT_SECONDS = 3600
"""A model on a hub may have to be fetched."""
_LEFT_OUT = ("DATABASE_URL", "REDIS_URL")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1"}
"""More take memory and help little."""


def check(job: Job, report: JobReport) -> Mapping[str, Any]:
    """Look at the model and store what was found."""
    model = RegisteredModel.objects.filter(pk=job.arguments["model"]).first()
    if model is None:
        raise UserError("The model is no longer registered.")
    report(None, f"Reading {model.path}")
    card = _card(model.path, report)
    if not registry.store_card(model.pk, job, card):
        raise UserError("Another check of this model has begun since.")
    return {"model": model.pk, "loads": card["loads"], "faults": len(card["faults"])}


def _card(path: str, report: JobReport) -> dict[str, Any]:
    command = [*settings.RPT_STAGE_COMMAND, "model", "--json", "--", path]
    passed = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT} | _ONE_THREAD
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, cwd=settings.ROOT, env=passed)
        try:
            _await(process, report)
        finally:
            process.kill()
            process.wait()
        printed, told = _last_line(out), _last_line(err)
    try:
        card: dict[str, Any] = json.loads(printed)
    except ValueError:
        by_hand = f"Run it in a shell: .venv/bin/python -m rpt_core model {path}"
        if told.startswith("error: "):
            raise UserError(f"{told.removeprefix('error: ')} {by_hand}") from None
        raise UserError(
            f"The check ended without an answer (exit code {process.returncode}); it may need more than the "
            f"{size(settings.RPT_JOB_MEMORY_BYTES)} of memory that a job may take. {by_hand}"
        ) from None
    return card


def _last_line(file: IO[bytes]) -> str:
    file.seek(0)
    return (file.read().decode(errors="replace").strip().splitlines() or [""])[-1]


def _await(process: subprocess.Popen[bytes], report: JobReport) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while process.poll() is None:
        if time.monotonic() > deadline:
            raise UserError(f"The check took longer than {TIMEOUT_SECONDS // 60} minutes, and was ended.")
        report.check()
        time.sleep(0.1)
