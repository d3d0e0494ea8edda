"""A run as data: metrics, config, the live stream; and what changes it, by way of the services."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.db import connections
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST, require_safe

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.runs import stream
from rpt_web.pages.runs.tabs import config_of
from rpt_web.runs import queries, services
from rpt_web.runs.models import Run
from rpt_web.serving.admission import busy
from rpt_web.teams.sessions import login_of

STEPS_IN_JSON = 2000


@require_safe
def run_metrics(request: HttpRequest, run_id: int) -> JsonResponse:
    """A run's metrics as numbers: for notebooks, and for whoever wants the charts' data."""
    run = access.get_run_or_404(request.user, run_id)
    series = queries.metric_series(run, STEPS_IN_JSON)
    return JsonResponse(
        {"run": run.pk, "attempt": run.attempt, "every": series.every, "steps": series.steps, "values": series.values}
    )


@require_safe
def run_config(request: HttpRequest, run_id: int) -> HttpResponse:
    """The frozen config as a file that `python -m rpt_core` takes."""
    run = access.get_run_or_404(request.user, run_id)
    if not run.config:
        raise Http404("A waiting run has no config yet.")
    response = HttpResponse(json.dumps(config_of(run), indent=2) + "\n", content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="run-{run.pk}-config.json"'
    return response


@require_GET
async def run_stream(request: HttpRequest, run_id: int) -> HttpResponseBase:
    """What is new on a run's page, as server-sent events; 503 when too many follow one."""
    await sync_to_async(access.get_run_or_404)(request.user, run_id)
    login = await sync_to_async(login_of)(request)
    await sync_to_async(connections.close_all)()  # the stream lasts for hours; it must not hold a connection
    try:
        place = stream.take_place()
    except stream.TooManyStreams:
        return busy(request)
    cursor = stream.Cursor.parse(request.headers.get("Last-Event-ID", "") or request.GET.get("at", ""))
    newest = queries.Newest(*(number_asked(request, name) or 0 for name in queries.Newest._fields))
    parts = stream.parts_asked(request.GET.get("parts", ""))
    seen = stream.Seen(request.GET.get("state", ""), newest)
    return StreamingHttpResponse(
        stream.follow(run_id, cursor or stream.Cursor(0, 0), seen, login, place, parts),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@require_POST
def run_cancel(request: HttpRequest, run_id: int) -> HttpResponse:
    """Ask for a run to be stopped."""
    run = access.get_run_or_404(request.user, run_id, to_change=True)
    return _change(request, run, services.request_cancel, f"Cancellation of “{run.name}” was requested.")


@require_POST
def run_retry(request: HttpRequest, run_id: int) -> HttpResponse:
    """Queue an ended run again."""
    run = access.get_run_or_404(request.user, run_id, to_change=True)
    return _change(
        request, run, services.retry, f"“{run.name}” was queued again; it continues from its newest checkpoint."
    )


def _change(request: HttpRequest, run: Run, service: Callable[[Run, Any], None], done: str) -> HttpResponse:
    try:
        service(run, request.user)
        messages.success(request, done)
    except UserError as error:
        messages.error(request, str(error))
    return redirect("runs:run_detail", run.pk)
