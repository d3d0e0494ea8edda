"""Pages of experiments and runs. They show rows and never wait for a worker; changes go through the services."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.db import connections
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST, require_safe

from rpt_core.config import STAGES
from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.corpora import naming
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.runs import stream
from rpt_web.results import figures, levels, metric_figures, published, table_queries, tables
from rpt_web.results import queries as results
from rpt_web.runs import attempts, deeds, display, queries, queues, services, waiting
from rpt_web.runs.differences import from_origin
from rpt_web.runs.models import ENDED_BADLY, FINAL, Run, Status
from rpt_web.serving.admission import busy
from rpt_web.teams.sessions import login_of

STEPS_IN_JSON = 2000


@require_safe
def run_detail(request: HttpRequest, run_id: int) -> HttpResponse:
    """A run's live page. htmx asks for one part of it, by the id of the element that it replaces."""
    run = access.get_run_or_404(request.user, run_id)
    parts: dict[str, tuple[str, Callable[[HttpRequest, Run], dict[str, Any]]]] = {
        "state": ("runs/_state.html", _state),
        "charts": ("runs/_charts.html", _charts),  # before tables and records: the stream tells what comes in meanwhile
        "tables": ("runs/_tables.html", _tables),
        "records": ("runs/_records.html", _records),
        "events": ("runs/_events.html", _events),
    }
    shared = {"nav": "experiments", "run": run, "is_live": run.status not in FINAL}
    asked = request.headers.get("HX-Target", "")
    if asked in parts:
        template, make = parts[asked]
        return render(request, template, shared | make(request, run))
    config = _config(run)
    context = shared | {"config": queries.flatten(config), "config_json": json.dumps(config, indent=2)}
    context |= {"differences": from_origin(run), "may_steer": access.can_steer(request.user, run)}
    for _, make in parts.values():
        context |= make(request, run)
    return render(request, "runs/run_detail.html", context)


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
    response = HttpResponse(json.dumps(_config(run), indent=2) + "\n", content_type="application/json")
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
    seen = stream.Seen(request.GET.get("state", ""), newest)
    return StreamingHttpResponse(
        stream.follow(run_id, cursor or stream.Cursor(0, 0), seen, login, place),
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


def _config(run: Run) -> dict[str, Any]:
    """The frozen config, or the plan of a run that waits."""
    config, model = run.config or run.plan, STAGES.get(run.stage)
    return queries.in_model_order(config, model) if model else config


def _state(request: HttpRequest, run: Run) -> dict[str, Any]:
    head = queries.head_of(run)
    kept = attempts.attempts_of(run)
    return {
        "state_key": head.key(run),
        "progress": queries.progress_of(run),
        "run_time": display.run_time(run),
        "attempt_time": display.attempt_time(run),
        "is_ticking": run.status == Status.RUNNING and not display.is_silent(run),
        "is_final": run.status in FINAL,
        "blockers": head.blockers,
        "needed": head.needed,
        "may_change_here": access.can_change(request.user, run.experiment.team_id),
        "may_cancel": run.status not in FINAL and not run.cancel_requested_at and access.can_steer(request.user, run),
        "may_retry": run.status in ENDED_BADLY and access.can_steer(request.user, run),
        "attempts": kept,
        "other_code": attempts.other_code(kept),
        "code": attempts.newest_code(run),
        "code_title": attempts.newest_code_title(run),
        "deeds": deeds.deeds_of(run),
        "now": timezone.now(),
        "has_rollouts": head.has_rollouts,
        "reason": waiting.reasons([run]).get(run.pk, "") if run.status == Status.QUEUED else "",
        "gpus": next((found.gpus for found in kept if found.number == run.attempt), None),
        "unheard": run.status == Status.QUEUED and not queues.is_heard(run.queue),
    }


def _charts(request: HttpRequest, run: Run) -> dict[str, Any]:
    newest = queries.newest_events(run)
    series = queries.metric_series(run)
    at = f"{run.attempt}-{series.last_step}"
    accuracy = results.accuracy_by_step(run)
    charts = metric_figures.metric_figures(series)
    if len({row.step for rows in accuracy.values() for row in rows}) > 1:
        modes = sorted({mode for mode, _ in accuracy}, key=results.mode_order)
        charts += [found for mode in modes if (found := figures.accuracy_figure(accuracy, mode))]
    groups = {name: [chart for chart in charts if chart.group == name] for name in metric_figures.group_order(charts)}
    return {
        "figure_groups": groups,
        "figures_json": [chart.as_json() for chart in charts],
        "stream_query": urlencode({"at": at, **newest._asdict()}),
    }


def _tables(request: HttpRequest, run: Run) -> dict[str, Any]:
    found = table_queries.run_tables(run, number_asked(request, "tables_at"))
    views = tables.table_views(found.tables)
    return {
        "tables": views,
        "tables_found": found,
        "table_figures_json": [view.figure.as_json() for view in views if view.figure],
        "reference": published.reference_for(run.stage) if views else None,
    }


def _records(request: HttpRequest, run: Run) -> dict[str, Any]:
    evaluations = results.accuracy_by_step(run)
    positions = list(run.events.filter(type="positions").order_by("seq"))
    return {
        "checkpoints": list(run.checkpoints.order_by("-step")[:50]),
        "corpora": list(run.corpora.all()),
        "versions": _versions(request, run),
        "positions": positions,
        "counted_levels": levels.counted_levels(positions[0].data) if positions else "",
        "evaluation_rows": results.by_step_table(evaluations),
        "levels": levels.measured_levels(row for rows in evaluations.values() for row in rows),
        "result": sorted(run.result.items()),
        "may_register": access.can_change(request.user, run.experiment.team_id),
    }


def _versions(request: HttpRequest, run: Run) -> list[tuple[naming.NamedVersion, bool]]:
    """The versions of corpora that the run names, each with whether the reader may see it."""
    found = naming.versions_named(run)
    asked = {version.corpus_id for version in found}
    seen = set(access.corpora_for(request.user).filter(pk__in=asked).values_list("pk", flat=True)) if asked else set()
    return [(version, version.deleted_at is None and version.corpus_id in seen) for version in found]


def _events(request: HttpRequest, run: Run) -> dict[str, Any]:
    before = number_asked(request, "events_before")
    page = queries.event_page(run, before)
    return {
        "events": [(event, display.event_words(event)) for event in page.events],
        "older_events": page.older,
        "events_before": before,
    }
