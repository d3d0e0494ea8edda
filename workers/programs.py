"""Commands of `rpt_core` that a job starts in a process of their own, and whose JSON is the answer.

In: a command, the job's report. Out: what it printed. The process has no address of the database, has the job's limit
on memory, and ends with the job.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from typing import IO, Any

from django.conf import settings

from rpt_core.errors import UserError
from rpt_web.numbers import size
from workers.reports import JobReport

_LEFT_OUT = ("DATABASE_URL", "REDIS_URL")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1"}
"""More take memory and help little."""


def answer_of(arguments: Sequence[str], by_hand: str, report: JobReport, timeout_seconds: int) -> dict[str, Any]:
    """The JSON that `python -m rpt_core ARGUMENTS` prints. by_hand: the same for a shell, which errors name.

    Raises UserError with what it says was wrong, or when it takes too long or says nothing.
    """
    passed = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT} | _ONE_THREAD
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        command = [*settings.RPT_STAGE_COMMAND, *arguments]
        process = subprocess.Popen(command, stdout=out, stderr=err, cwd=settings.ROOT, env=passed)
        try:
            _await(process, report, timeout_seconds)
        finally:
            process.kill()
            process.wait()
        printed, told = _last_line(out), _last_line(err)
    try:
        answer: dict[str, Any] = json.loads(printed)
    except ValueError:
        advice = f"Run it in a shell: .venv/bin/python -m rpt_core {by_hand}"
        if told.startswith("error: "):
            raise UserError(f"{told.removeprefix('error: ')} {advice}") from None
        raise UserError(
            f"The check ended without an answer (exit code {process.returncode}); it may need more than the "
            f"{size(settings.RPT_JOB_MEMORY_BYTES)} of memory that a job may take. {advice}"
        ) from None
    return answer


def _last_line(file: IO[bytes]) -> str:
    file.seek(0)
    return (file.read().decode(errors="replace").strip().splitlines() or [""])[-1]


def _await(process: subprocess.Popen[bytes], report: JobReport, timeout_seconds: int) -> None:
    deadline = time.monotonic() + timeout_seconds
    while process.poll() is None:
        if time.monotonic() > deadline:
            raise UserError(f"The check took longer than {timeout_seconds // 60} minutes, and was ended.")
        report.check()
        time.sleep(0.1)
