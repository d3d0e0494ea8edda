"""Pages of experiments and runs. They show rows and never wait for a worker; changes go through the services."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlencode

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.db import connections
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST, require_safe

from rpt_core.config import STAGES
from rpt_core.errors import UserError
from rpt_web.results import figures, metric_figures, published, table_queries, tables
from rpt_web.results import queries as results
from rpt_web.results.headlines import Headline, headlines, ranked_headlines
from rpt_web.results.lineage import listed, seeds_in_words
from rpt_web.runs import dependencies, display, queries, queues, services, stream
from rpt_web.runs.models import ENDED_BADLY, FINAL, Experiment, Run, Status
from rpt_web.teams import access
from rpt_web.teams.models import User


@dataclass(frozen=True)
class RunLine:
    """A run as the lists show it."""

    run: Run
    share: float | None
    time: timedelta | None
    """Of all its attempts."""
    blockers: Sequence[str]
    """Because of which runs it waits in vain."""
    waits_for: Sequence[str]
    """What a waiting run needs that has not succeeded yet."""

    @classmethod
    def of(cls, run: Run, blocked: Mapping[str, Sequence[str]], succeeded: Set[str] = frozenset()) -> RunLine:
        """Work out what the row does not hold, from what is known of all runs of its experiment."""
        waits_for = [name for name in run.needs if name not in succeeded] if run.status == Status.WAITING else []
        return cls(run, display.share_done(run), display.run_time(run), blocked.get(run.name, ()), waits_for)

    @classmethod
    def of_all(cls, runs: Sequence[Run]) -> list[RunLine]:
        """The lines of all runs of an experiment."""
        blocked = dependencies.blocked_by(runs)
        succeeded = {run.name for run in runs if run.status == Status.SUCCEEDED}
        return [cls.of(run, blocked, succeeded) for run in runs]


@dataclass(frozen=True)
class ExperimentLine:
    """An experiment as the list shows it."""

    experiment: Experiment
    runs: list[Run]
    headline: Headline | None

    @property
    def succeeded(self) -> int:
        """How many runs are done."""
        return sum(run.status == Status.SUCCEEDED for run in self.runs)

    @property
    def current(self) -> RunLine | None:
        """The run that is being worked on, or else one that waits for a worker."""
        active = [run for run in self.runs if run.is_active]
        running = [run for run in active if run.status == Status.RUNNING]
        return RunLine.of((running or active)[0], {}) if active else None

    @property
    def pips(self) -> list[tuple[Run, Sequence[str]]]:
        """Each run with those because of which it waits in vain."""
        blocked = dependencies.blocked_by(self.runs)
        return [(run, blocked.get(run.name, ())) for run in self.runs]

    @property
    def seeds(self) -> str:
        """Those of its runs; its own while it has none."""
        return listed([run.seed for run in self.runs] or [self.experiment.seed])

    @property
    def goes_on(self) -> bool:
        """Whether something is still to come without anybody's doing."""
        return dependencies.is_in_progress(self.runs)

    @property
    def last_change(self) -> Any:
        """When something last happened."""
        times = [run.finished_at or run.started_at or run.created_at for run in self.runs]
        return max(times, default=self.experiment.created_at)


@require_safe
def experiment_list(request: HttpRequest) -> HttpResponse:
    """All experiments, newest first, with the state of their runs and their headline result."""
    search = request.GET.get("q", "").strip()[:100].replace("\x00", "")
    experiments = access.experiments_for(request.user)
    page = queries.experiment_page(experiments, search=search, before=_number(request, "before"))
    by_experiment = headlines(page.experiments)
    lines = [ExperimentLine(found, list(found.runs.all()), by_experiment.get(found.pk)) for found in page.experiments]
    context = {
        "nav": "experiments",
        "lines": lines,
        "older": page.older,
        "search": search,
        "before": request.GET.get("before", ""),
        "is_active": any(line.goes_on for line in lines),
        "may_change": access.can_change(request.user),
    }
    return render(
        request, _template(request, "runs/experiment_list.html", {"experiments": "runs/_experiments.html"}), context
    )


@require_safe
def experiment_detail(request: HttpRequest, experiment_id: int) -> HttpResponse:
    """An experiment's runs in order."""
    experiment = access.get_experiment_or_404(request.user, experiment_id)
    runs = queries.runs_in_order(experiment)
    lines = RunLine.of_all(runs)
    times = [line.time for line in lines if line.time is not None]
    flops = [run.flops for run in runs if run.flops is not None]
    context = {
        "nav": "experiments",
        "experiment": experiment,
        "seeds": seeds_in_words([run.seed for run in runs] or [experiment.seed]),
        "lines": lines,
        "succeeded": sum(run.status == Status.SUCCEEDED for run in runs),
        "failed": sum(run.status in (Status.FAILED, Status.LOST) for run in runs),
        "is_active": dependencies.is_in_progress(runs),
        "waiting": sum(run.status == Status.WAITING for run in runs),
        "unended": display.unended(runs),
        "missing": sum(run.status in ENDED_BADLY for run in runs),
        "total_time": sum(times, timedelta(0)) if times else None,
        "total_flops": sum(flops) if flops else None,
        "headline": next(iter(ranked_headlines(runs)), None),
        "may_change": access.can_change(request.user),
    }
    return render(request, _template(request, "runs/experiment_detail.html", {"runs": "runs/_runs.html"}), context)


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
    for _, make in parts.values():
        context |= make(request, run)
    return render(request, "runs/run_detail.html", context)


@require_safe
def run_metrics(request: HttpRequest, run_id: int) -> JsonResponse:
    """A run's metrics as numbers: for notebooks, and for whoever wants the charts' data."""
    run = access.get_run_or_404(request.user, run_id)
    series = queries.metric_series(run)
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
async def run_stream(request: HttpRequest, run_id: int) -> StreamingHttpResponse:
    """What is new on a run's page, as server-sent events."""
    await sync_to_async(access.get_run_or_404)(request.user, run_id)
    await sync_to_async(connections.close_all)()  # the stream lasts for hours; it must not hold a connection
    cursor = stream.Cursor.parse(request.headers.get("Last-Event-ID", "") or request.GET.get("at", ""))
    newest = queries.Newest(*(_number(request, name) or 0 for name in queries.Newest._fields))
    seen = stream.Seen(request.GET.get("state", ""), newest)
    return StreamingHttpResponse(
        stream.follow(run_id, cursor or stream.Cursor(0, 0), seen),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


@require_POST
def experiment_resubmit(request: HttpRequest, experiment_id: int) -> HttpResponse:
    """Bring back what failed, was cancelled or lost; what waits for it goes on then."""
    experiment = access.get_experiment_or_404(request.user, experiment_id, to_change=True)
    try:
        runs = services.resubmit(experiment, cast(User, request.user))
        names = ", ".join(f"“{run.name}”" for run in runs)
        messages.success(request, f"Submitted again: {names}. What waits for them follows by itself.")
    except UserError as error:
        messages.error(request, str(error))
    return redirect("runs:experiment_detail", experiment.pk)


@require_POST
def experiment_cancel(request: HttpRequest, experiment_id: int) -> HttpResponse:
    """Cancel what waits or is queued, and ask what runs to stop."""
    experiment = access.get_experiment_or_404(request.user, experiment_id, to_change=True)
    try:
        runs = services.cancel_experiment(experiment, cast(User, request.user))
        messages.success(request, f"Cancelling was requested of {display.unended(runs)}.")
    except UserError as error:
        messages.error(request, str(error))
    return redirect("runs:experiment_detail", experiment.pk)


@require_POST
def run_cancel(request: HttpRequest, run_id: int) -> HttpResponse:
    """Ask for a run to be stopped."""
    run = access.get_run_or_404(request.user, run_id, to_change=True)
    return _change(request, run, services.request_cancel, f"Cancelling “{run.name}” was requested.")


@require_POST
def run_retry(request: HttpRequest, run_id: int) -> HttpResponse:
    """Queue an ended run again."""
    run = access.get_run_or_404(request.user, run_id, to_change=True)
    return _change(
        request, run, services.retry, f"“{run.name}” was queued again; it goes on from its newest checkpoint."
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
    return {
        "state_key": head.key(run),
        "progress": queries.progress_of(run),
        "run_time": display.run_time(run),
        "attempt_time": display.attempt_time(run),
        "is_ticking": run.status == Status.RUNNING and not display.is_silent(run),
        "is_final": run.status in FINAL,
        "blockers": head.blockers,
        "needed": head.needed,
        "may_cancel": run.status not in FINAL and not run.cancel_requested_at and access.can_change(request.user),
        "may_retry": run.status in ENDED_BADLY and access.can_change(request.user),
        "now": timezone.now(),
        "has_rollouts": head.has_rollouts,
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
    found = table_queries.run_tables(run, _number(request, "tables_at"))
    views = tables.table_views(found.tables)
    return {
        "tables": views,
        "tables_found": found,
        "table_figures_json": [view.figure.as_json() for view in views if view.figure],
        "reference": published.reference_for(run.stage) if views else None,
    }


def _records(request: HttpRequest, run: Run) -> dict[str, Any]:
    evaluations = results.accuracy_by_step(run)
    return {
        "checkpoints": list(run.checkpoints.order_by("-step")[:50]),
        "corpora": list(run.corpora.all()),
        "positions": list(run.events.filter(type="positions").order_by("seq")),
        "evaluation_rows": results.by_step_table(evaluations),
        "result": sorted(run.result.items()),
    }


def _events(request: HttpRequest, run: Run) -> dict[str, Any]:
    before = _number(request, "events_before")
    page = queries.event_page(run, before)
    return {
        "events": [(event, display.event_words(event)) for event in page.events],
        "older_events": page.older,
        "events_before": before,
    }


def _template(request: HttpRequest, page: str, parts: dict[str, str]) -> str:
    """The part that htmx replaces, or the whole page."""
    return parts.get(request.headers.get("HX-Target", ""), page)


def _number(request: HttpRequest, name: str) -> int | None:
    value = request.GET.get(name, "")
    return int(value) if value.isdecimal() and len(value) < 19 else None
