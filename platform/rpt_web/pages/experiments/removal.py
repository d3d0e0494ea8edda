"""An experiment is archived, brought back, deleted: the last after a page that says what hangs on it."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.pages.runs.removal import require_typed, why_not
from rpt_web.runs import archive, deletion, hanging
from rpt_web.teams.models import User


@require_http_methods(["GET", "HEAD", "POST"])
def experiment_delete(request: HttpRequest, experiment_id: int) -> HttpResponse:
    """What hangs on an experiment; posted with its name, a job deletes it with all its runs."""
    experiment = access.get_experiment_or_404(request.user, experiment_id, to_steer=True)
    runs = list(experiment.runs.defer("config", "log_tail").select_related("experiment", "deletion").order_by("id"))
    user = cast(User, request.user)
    of, error = access.steered_by(user, experiment), ""
    if request.method == "POST":
        try:
            require_typed(request, experiment.name)
            return redirect("jobs:job_detail", deletion.ask_experiment(experiment, user, of=of).pk)
        except UserError as refused:
            error = str(refused)
    context = {
        "nav": "experiments",
        "experiment": experiment,
        "thing": "experiment",
        "name": experiment.name,
        "hanging": hanging.hanging_on(runs, experiment.team_id),
        "refusal": why_not(runs, of),
        "error": error,
    }
    return render(request, "removal/delete.html", context, status=422 if error else 200)


@require_POST
def experiment_archive(request: HttpRequest, experiment_id: int) -> HttpResponse:
    """Put an experiment with its runs out of sight of the lists."""
    experiment = access.get_experiment_or_404(request.user, experiment_id, to_steer=True)
    try:
        archive.archive_experiment(experiment)
        messages.success(request, f"“{experiment.name}” is archived: lists leave it and its runs out.")
    except UserError as error:
        messages.error(request, str(error))
    return redirect("experiments:experiment_detail", experiment.pk)


@require_POST
def experiment_bring_back(request: HttpRequest, experiment_id: int) -> HttpResponse:
    """Show an experiment in the lists again."""
    experiment = access.get_experiment_or_404(request.user, experiment_id, to_steer=True)
    try:
        archive.bring_back_experiment(experiment)
        messages.success(request, f"“{experiment.name}” is in the lists again.")
    except UserError as error:
        messages.error(request, str(error))
    return redirect("experiments:experiment_detail", experiment.pk)
