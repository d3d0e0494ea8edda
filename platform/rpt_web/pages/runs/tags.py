"""The tags of one run are written here."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.runs import tags


@require_POST
def run_tags(request: HttpRequest, run_id: int) -> HttpResponse:
    """Give a run these tags and no others; everybody may who may change things in its team."""
    run = access.get_run_or_404(request.user, run_id)
    access.require_change(request.user, run.experiment.team_id)
    try:
        tags.put(run, request.POST.get("tags", ""))
        messages.success(request, "The tags were stored.")
    except UserError as error:
        messages.error(request, str(error))
    return redirect("runs:run_detail", run.pk)
