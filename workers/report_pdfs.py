"""The job that prints a report: Chromium opens its HTML file, which needs nothing else, and writes a PDF.

In: a claimed job with the report's id, and whether the anonymous copy is meant. Out: the PDF, stored with the report.
The file's own policy lets it fetch nothing, and Chromium is told that no host has an address.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rpt_core.errors import UserError
from rpt_web.jobs.models import Job
from rpt_web.numbers import size
from rpt_web.reports import printing
from rpt_web.reports.files import copy_of, html_file
from rpt_web.reports.models import TeamReport
from workers.reports import JobReport

PATIENCE_SECONDS = 120
MISSING = (
    "Chromium is not installed on the machine of the quick worker, so it makes no PDF. Install it there (Debian: "
    "apt-get install chromium), or print the report to PDF in your browser."
)
_FLAGS = (
    *(
        "--headless=new",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
    ),
    *("--host-resolver-rules=MAP * ~NOTFOUND", "--no-pdf-header-footer", "--virtual-time-budget=20000"),
)
_TIME, _LONG_AGO = re.compile(rb"(?<=Date \(D:)\d{14}[+-]\d\d'\d\d'(?=\))"), b"19800101000000+00'00'"
_WITHOUT_LIMIT = ("/bin/sh", "-c", 'ulimit -S -d "$(ulimit -H -d)"; exec "$@"', "sh")
"""The limit of a job's memory is for what the worker does itself: Chromium reserves more than it takes."""


def print_report(job: Job, report: JobReport) -> Mapping[str, Any]:
    """Print it and keep the PDF."""
    found = TeamReport.objects.filter(pk=job.arguments["report"]).first()
    if found is None:
        raise UserError("The report is deleted.")
    is_anonymous = bool(job.arguments["anonymous"])
    program = chromium()
    report(0.2, "Chromium draws the figures.")
    title, parts = copy_of(found, is_anonymous=is_anonymous)
    content = printed(program, html_file(title, parts, found.frozen_at))
    content = without_times(content) if is_anonymous else content
    printing.store(found, content, is_anonymous=is_anonymous)
    return {"words": f"The PDF has {size(len(content))}. It is on the page of the report."}


def without_times(pdf: bytes) -> bytes:
    """A PDF that does not say when, and in which time zone, it was made. Its length stays, as it counts its bytes."""
    return _TIME.sub(_LONG_AGO, pdf)


def chromium() -> str:
    """The program. Raises UserError where there is none."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        raise UserError(MISSING)
    return found


def printed(program: str, html: bytes) -> bytes:
    """A page as PDF. Raises UserError where Chromium fails."""
    with TemporaryDirectory(prefix="rpt-report-") as folder:
        page, pdf = Path(folder) / "report.html", Path(folder) / "report.pdf"
        page.write_bytes(html)
        own = [f"--user-data-dir={folder}/profile", f"--print-to-pdf={pdf}", page.as_uri()]
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses root with it; the page is our own
        command = [*_WITHOUT_LIMIT, program, *_FLAGS, *sandbox, *own]
        try:
            subprocess.run(command, capture_output=True, timeout=PATIENCE_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UserError("Chromium did not end. Try again, or print the report in your browser.") from error
        if not pdf.is_file():
            raise UserError("Chromium made no PDF. Try again, or print the report in your browser.")
        return pdf.read_bytes()
