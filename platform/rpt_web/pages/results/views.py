"""What an experiment found: the table in the form of the paper's Table 1, and the scaling curve."""

from __future__ import annotations

from dataclasses import replace

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from rpt_core.config import DIFFICULTIES
from rpt_web import access
from rpt_web.pages.table_addresses import leading
from rpt_web.results import caveats, figures, headlines, levels, published, queries, table_queries, tables
from rpt_web.results.curves import stored_curves
from rpt_web.results.headline import Headline
from rpt_web.runs.attempts import continued_by_other_code
from rpt_web.runs.models import Run
from rpt_web.runs.queries import runs_in_order


@require_safe
def experiment_results(request: HttpRequest, experiment_id: int) -> HttpResponse:
    """Accuracy by model, mode and difficulty beside the published rows; accuracy over training compute."""
    experiment = access.get_experiment_or_404(request.user, experiment_id)
    runs = runs_in_order(experiment)
    blocks = queries.model_blocks(experiment, runs)
    asked = request.GET.get("run", "")
    ranked = headlines.ranked_headlines(experiment, runs)
    headline = _chosen_headline(ranked, asked)
    with_curve = [run for run in runs if run.stage == "rpt" and any(block.run.pk == run.pk for block in blocks)]
    chosen = _chosen_run(with_curve, asked, headline)
    curves = stored_curves(chosen) if chosen else []
    figure = figures.scaling_figure(curves)
    if figure and chosen:
        figure = replace(figure, ref=f"experiment/{experiment.pk}/scaling/{chosen.pk}")
    by_run = table_queries.experiment_tables(experiment, runs)
    kinds = [(kind, leading(tables.table_views(kind.tables))) for kind in table_queries.kinds(by_run)]
    drawn = [figure] if figure else []
    drawn += [view.figure for _, views in kinds for view in views if view.figure]
    context = {
        "nav": "experiments",
        "experiment": experiment,
        "seeds": queries.by_seed(blocks),
        "difficulties": DIFFICULTIES,
        "levels": levels.measured_levels(queries.evaluations_of(blocks)),
        "published": published.TABLE_1,
        "published_source": published.TABLE_1_SOURCE,
        "scaling_source": published.SCALING_SOURCE,
        "published_r2": published.SCALING_R2,
        "rpt_runs": with_curve,
        "chosen": chosen,
        "curves": curves,
        "figure": figure,
        "figures_json": [found.as_json() for found in drawn],
        "tables_by_run": [(run, [(table, tables.table_id(table)) for table in found]) for run, found in by_run],
        "kinds": kinds,
        "headline": headline,
        "headlines": [found for found in ranked if found.is_whole],
        "other_code": continued_by_other_code(experiment),
        "accuracy_ref": f"experiment/{experiment.pk}/accuracy",
        "preset": caveats.shipped(experiment.preset),
    }
    return render(request, "results/experiment_results.html", context)


def _chosen_headline(ranked: list[Headline], asked: str) -> Headline | None:
    """The one of the run that the address names, or the preferred one; None while that lacks a number."""
    named = (found for found in ranked if asked in (str(copy.run.pk) for copy in found.copies))
    chosen = next(named, ranked[0] if ranked else None)
    return chosen if chosen and chosen.is_whole else None


def _chosen_run(runs: list[Run], asked: str, headline: Headline | None) -> Run | None:
    """The run that the address names, or that of the headline, or the first."""
    by_id = {str(run.pk): run for run in runs}
    wanted = (asked, str(headline.run.pk) if headline else "")
    return next((by_id[key] for key in wanted if key in by_id), runs[0] if runs else None)
