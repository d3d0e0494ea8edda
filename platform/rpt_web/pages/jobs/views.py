"""A job's state, progress and result: a page of its own, and a part of other pages that htmx keeps up to date.

Other pages include `jobs/_job.html` with `job`. When it ends, the part tells the page by the event `job-ended`, on
which whatever shows the job's result can load itself again.
"""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.jobs import services
from rpt_web.jobs.models import QUICK_QUEUE, Job, JobState
from rpt_web.reports.models import TeamReport
from rpt_web.runs import queues
from rpt_web.teams.models import User


@require_safe
def job_detail(request: HttpRequest, job_id: int) -> HttpResponse:
    """One job; htmx asks for the part alone, every second until it has ended."""
    job = access.get_job_or_404(request.user, job_id)
    if not _is_part(request):
        return render(
            request, "jobs/job_detail.html", {"job": job, "unheard": is_unheard(job), "report": _report(request, job)}
        )
    return _part(request, job)


@require_POST
def job_cancel(request: HttpRequest, job_id: int) -> HttpResponse:
    """Ask a job to stop."""
    job = access.get_job_or_404(request.user, job_id)
    try:
        services.request_cancel(job, cast(User, request.user))
    except UserError as error:
        if not _is_part(request):
            messages.error(request, str(error))
    job.refresh_from_db()
    return _part(request, job) if _is_part(request) else redirect("jobs:job_detail", job.pk)


def _report(request: HttpRequest, job: Job) -> TeamReport | None:
    """The report that a job is about, where its PDF then stands."""
    key = job.arguments.get("report")
    return None if key is None else access.reports_for(request.user).filter(pk=key).first()


def is_unheard(job: Job) -> bool:
    """Whether a job waits though no worker listens to its queue."""
    return job.state == JobState.QUEUED and not queues.is_heard(QUICK_QUEUE)


def _is_part(request: HttpRequest) -> bool:
    return "HX-Request" in request.headers


def _part(request: HttpRequest, job: Job) -> HttpResponse:
    response = render(request, "jobs/_job.html", {"job": job, "unheard": is_unheard(job)})
    if job.has_ended:
        response["HX-Trigger-After-Settle"] = "job-ended"
    return response
