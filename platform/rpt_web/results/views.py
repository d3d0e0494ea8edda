"""What an experiment found: the table in the form of the paper's Table 1, and the scaling curve."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from rpt_web.results import figures, published, queries
from rpt_web.runs.models import Run
from rpt_web.runs.queries import runs_in_order
from rpt_web.teams import access

SMALL_PRESETS = ("tiny", "smoke")
"""Presets whose results need words on what they show and what not."""


@require_safe
def experiment_results(request: HttpRequest, experiment_id: int) -> HttpResponse:
    """Accuracy by model, mode and difficulty beside the published rows; accuracy over training compute."""
    experiment = access.get_experiment_or_404(request.user, experiment_id)
    runs = runs_in_order(experiment)
    blocks = queries.model_blocks(experiment, runs)
    with_curve = [run for run in runs if run.stage == "rpt" and any(block.run.pk == run.pk for block in blocks)]
    chosen = _chosen(with_curve, request.GET.get("run", ""))
    curves = queries.curves(chosen) if chosen else []
    figure = figures.scaling_figure(curves)
    context = {
        "nav": "experiments",
        "experiment": experiment,
        "blocks": blocks,
        "difficulties": queries.DIFFICULTIES,
        "published": published.TABLE_1,
        "published_source": published.TABLE_1_SOURCE,
        "scaling_source": published.SCALING_SOURCE,
        "published_r2": published.SCALING_R2,
        "rpt_runs": with_curve,
        "chosen": chosen,
        "curves": curves,
        "figure": figure,
        "figures_json": [figure.as_json()] if figure else [],
        "headline": queries.headlines([experiment]).get(experiment.pk),
        "is_small": experiment.preset in SMALL_PRESETS,
        "is_smoke": experiment.preset == "smoke",
    }
    return render(request, "results/experiment_results.html", context)


def _chosen(runs: list[Run], asked: str) -> Run | None:
    """The run that the address names, or the one that says most."""
    return next((run for run in runs if str(run.pk) == asked), queries.preferred(runs) if runs else None)
