"""The tabs of a run's page. They show rows and never wait for a worker."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from rpt_core.config import STAGES
from rpt_web import access
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.group_addresses import ANY_STEP, KINDS_OF_MODES, address_of_list
from rpt_web.pages.runs import charts, monitors, overview
from rpt_web.pages.runs.frame import Part, render_tab
from rpt_web.pages.table_addresses import leading
from rpt_web.results import figures, levels, published, table_queries, tables
from rpt_web.results import queries as results
from rpt_web.results.metric_figures import COLLAPSE
from rpt_web.runs import display, queries
from rpt_web.runs.differences import from_origin
from rpt_web.runs.models import Run

TABLES_OPEN = 2
"""So many tables are open at first, since each may have a chart and a screen of rows."""


@require_safe
def run_detail(request: HttpRequest, run_id: int) -> HttpResponse:
    """How a run is, what it came from and what came of it."""
    run = access.get_run_or_404(request.user, run_id)
    if "tables_at" in request.GET:  # as it was asked for before there were tabs
        return redirect(f"{reverse('runs:run_evaluations', args=[run.pk])}?{request.GET.urlencode()}#tables")
    parts: dict[str, Part] = {"records": ("runs/_records.html", overview.records)}
    may_steer = {"may_steer": access.can_steer(request.user, run)}
    return render_tab(request, run, "overview", "runs/run_detail.html", parts, more=lambda: may_steer)


@require_safe
def run_curves(request: HttpRequest, run_id: int) -> HttpResponse:
    """The curves of its training."""
    parts: dict[str, Part] = {"charts": ("runs/_charts.html", charts.charts_of(charts.on_curves))}
    run = access.get_run_or_404(request.user, run_id)
    return render_tab(request, run, "curves", "runs/run_curves.html", parts, also_told=["metrics"])


@require_safe
def run_monitors(request: HttpRequest, run_id: int) -> HttpResponse:
    """Whether its responses collapse."""
    parts: dict[str, Part] = {
        "charts": (
            "runs/_charts.html",
            charts.charts_of(charts.on_monitors, charts.ROWS_OPEN_BESIDE_MONITORS, COLLAPSE),
        )
    }
    run = access.get_run_or_404(request.user, run_id)
    template, more = "runs/run_monitors.html", lambda: monitors.monitor_rows(run)
    return render_tab(request, run, "monitors", template, parts, more=more, also_told=["metrics"])


@require_safe
def run_groups(request: HttpRequest, run_id: int) -> HttpResponse:
    """What became of its groups."""
    parts: dict[str, Part] = {
        "tables": ("runs/_tables.html", lambda request, run: _tables(request, run, of_groups=True)),
        "charts": ("runs/_charts.html", charts.charts_of(charts.on_groups)),
    }
    run = access.get_run_or_404(request.user, run_id)
    return render_tab(request, run, "groups", "runs/run_groups.html", parts, also_told=["metrics"])


@require_safe
def run_evaluations(request: HttpRequest, run_id: int) -> HttpResponse:
    """What was measured of it, and its other result tables."""
    parts: dict[str, Part] = {
        "charts": ("runs/_evaluations.html", _evaluations),
        "tables": ("runs/_tables.html", lambda request, run: _tables(request, run, of_groups=False)),
    }
    run = access.get_run_or_404(request.user, run_id)
    return render_tab(request, run, "evaluations", "runs/run_evaluations.html", parts)


@require_safe
def run_settings(request: HttpRequest, run_id: int) -> HttpResponse:
    """Its config, as it was frozen or is planned."""
    run = access.get_run_or_404(request.user, run_id)

    def more() -> dict[str, Any]:
        config = config_of(run)
        return {
            "config": queries.flatten(config),
            "config_json": json.dumps(config, indent=2),
            "differences": from_origin(run),
            "command": command_line(run) if run.config else "",
        }

    return render_tab(request, run, "config", "runs/run_settings.html", {}, more=more)


def command_line(run: Run) -> str:
    """What does the same in a shell, once the config was downloaded."""
    stage, folder = run.stage, shlex.quote(run.name)
    return (
        f"mkdir -p {folder}\n"
        f"mv run-{run.pk}-config.json {folder}/config.json\n"
        f".venv/bin/python -m rpt_core preflight {stage} {folder}/config.json\n"
        f".venv/bin/python -m rpt_core {stage} {folder}"
    )


def events(request: HttpRequest, run: Run) -> dict[str, Any]:
    """A page of what the stage has reported, newest first."""
    before = number_asked(request, "events_before")
    page = queries.event_page(run, before)
    return {
        "events": [(event, display.event_words(event)) for event in page.events],
        "older_events": page.older,
        "events_before": before,
    }


def config_of(run: Run) -> dict[str, Any]:
    """The frozen config, or the plan of a run that waits."""
    config, model = run.config or run.plan, STAGES.get(run.stage)
    return queries.in_model_order(config, model) if model else config


def _evaluations(request: HttpRequest, run: Run) -> dict[str, Any]:
    found = results.accuracy_by_step(run)
    drawn = []
    if len({row.step for rows in found.values() for row in rows}) > 1:
        modes = sorted({mode for mode, _ in found}, key=results.mode_order)
        drawn = [_with_place(run, mode, figure) for mode in modes if (figure := figures.accuracy_figure(found, mode))]
    return {
        "figures": drawn,
        "figures_json": [figure.as_json() for figure in drawn],
        "evaluations_ref": f"run/{run.pk}/evaluations",
        "evaluation_rows": results.by_step_table(found),
        "levels": levels.measured_levels(row for rows in found.values() for row in rows),
    }


def _with_place(run: Run, mode: str, figure: figures.Figure) -> figures.Figure:
    """A point leads to the groups that it was measured by, where something was written."""
    figure = replace(figure, ref=f"run/{run.pk}/accuracy/{mode}")
    kind = KINDS_OF_MODES.get(mode)
    return replace(figure, place=address_of_list(run.pk, kind, ANY_STEP)) if kind else figure


def _tables(request: HttpRequest, run: Run, *, of_groups: bool) -> dict[str, Any]:
    found = table_queries.run_tables(run, number_asked(request, "tables_at"))
    of_tab = [table for table in found.tables if (table.name in tables.OF_GROUPS) == of_groups]
    views = leading(tables.table_views(of_tab))
    return {
        "tables": views,
        "tables_found": found,
        "open_tables": TABLES_OPEN,
        "table_figures_json": [view.figure.as_json() for view in views if view.figure],
        "reference": published.reference_for(run.stage) if views and not of_groups else None,
    }
