"""A run is archived, brought back, deleted: the last after a page that says what hangs on it."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.runs import archive, deletion, hanging
from rpt_web.runs.models import Run
from rpt_web.teams.models import User


@require_http_methods(["GET", "HEAD", "POST"])
def run_delete(request: HttpRequest, run_id: int) -> HttpResponse:
    """What hangs on a run; posted with its name, a job deletes it."""
    run = access.get_run_or_404(request.user, run_id, to_change=True)
    error = ""
    if request.method == "POST":
        try:
            require_typed(request, run.name)
            return redirect("jobs:job_detail", deletion.ask([run], cast(User, request.user)).pk)
        except UserError as refused:
            error = str(refused)
    context = {
        "nav": "runs",
        "run": run,
        "experiment": run.experiment,
        "thing": "run",
        "name": run.name,
        "hanging": hanging.hanging_on([run], run.experiment.team_id),
        "refusal": why_not([run]),
        "error": error,
    }
    return render(request, "removal/delete.html", context, status=422 if error else 200)


@require_POST
def run_archive(request: HttpRequest, run_id: int) -> HttpResponse:
    """Put a run out of sight of the lists."""
    run = access.get_run_or_404(request.user, run_id, to_change=True)
    try:
        archive.archive(run, cast(User, request.user))
        messages.success(request, f"“{run.name}” is archived: lists leave it out, and its results stay.")
    except UserError as error:
        messages.error(request, str(error))
    return redirect("runs:run_detail", run.pk)


@require_POST
def run_bring_back(request: HttpRequest, run_id: int) -> HttpResponse:
    """Show a run in the lists again."""
    run = access.get_run_or_404(request.user, run_id, to_change=True)
    try:
        archive.bring_back(run, cast(User, request.user))
        messages.success(request, f"“{run.name}” is in the lists again.")
    except UserError as error:
        messages.error(request, str(error))
    return redirect("runs:run_detail", run.pk)


def require_typed(request: HttpRequest, name: str) -> None:
    """Raises UserError unless the name was typed."""
    if request.POST.get("name", "").strip() != name:
        raise UserError(f"Type the name {name!r} to confirm. Nothing has been deleted.")


def why_not(runs: list[Run], of: User | None = None) -> str:
    """Why the runs cannot be deleted now; empty when they can."""
    try:
        deletion.refuse_others(runs, of)
        deletion.refuse_needed(runs)
    except UserError as error:
        return str(error)
    return ""
