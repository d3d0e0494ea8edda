"""Reports as PDF: a job of the quick lane, whose worker has Chromium print the report's HTML file.

In: a report. Out: a job; later the PDF, of which the newest of each copy is kept.
"""

from __future__ import annotations

from django.db import transaction

from rpt_core.errors import UserError
from rpt_web.jobs import services as jobs
from rpt_web.jobs.models import Job
from rpt_web.reports.models import ReportPdf, TeamReport
from rpt_web.teams.models import User

KIND = "report_pdf"


def ask(report: TeamReport, user: User, *, is_anonymous: bool) -> Job:
    """Have a worker print it."""
    return jobs.submit(KIND, {"report": report.pk, "anonymous": is_anonymous}, user)


def store(report: TeamReport, content: bytes, *, is_anonymous: bool) -> ReportPdf:
    """Keep a PDF in place of the one before. Raises UserError for an anonymous one that has left out other words than
    those that the report names by now."""
    values = {"content": content}
    with transaction.atomic():
        now = TeamReport.objects.select_for_update().get(pk=report.pk)
        if is_anonymous and now.hidden_words != report.hidden_words:
            raise UserError(
                "What an anonymous copy leaves out was changed while it was printed. Have it printed again."
            )
        found, _ = ReportPdf.objects.update_or_create(report=report, is_anonymous=is_anonymous, defaults=values)
    return found


def newest(report: TeamReport, *, is_anonymous: bool) -> ReportPdf | None:
    """The PDF that was made last."""
    return report.pdfs.filter(is_anonymous=is_anonymous).first()
