"""The paper's tables and figures from the team's own runs: an address for each, the experiments in its query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from rpt_web import access
from rpt_web.exhibits import papers
from rpt_web.pages.results.lines import lines_of
from rpt_web.pages.table_addresses import leading
from rpt_web.results import caveats, paper, published
from rpt_web.results.models import EvaluatedSet
from rpt_web.results.paper_scaling import FITS_COVER, scaling_means, scaling_of_experiments, scaling_of_runs
from rpt_web.results.paper_tables import tables_of
from rpt_web.runs.models import Experiment, Run

OFFERED = 50
CHOSEN_AT_FIRST = 1
MOST_CHOSEN = 20


@require_safe
def paper_index(request: HttpRequest) -> HttpResponse:
    """Which tables and figures there are, and how many experiments have something for each."""
    experiments = _experiments(request)
    found = [(page, paper.experiments_with(page, experiments).count()) for page in paper.PAGES]
    return render(request, "results/paper_index.html", {"nav": "results", "pages": found})


@require_safe
def paper_page(request: HttpRequest, page_name: str) -> HttpResponse:
    """One of them, for the experiments that the address names, or the newest that has something for it."""
    page = paper.page_of(page_name)
    if page is None:
        raise Http404(f"The paper's results here are: {', '.join(found.slug for found in paper.PAGES)}.")
    experiments = _experiments(request)
    offered = list(paper.experiments_with(page, experiments)[:OFFERED])
    chosen = _chosen(request, experiments, offered)
    made = _of_evaluations(request, page, chosen) if not page.stages else _of_tables(page, chosen)
    runs: list[Run] = made["runs"]
    context = made | {
        "nav": "results",
        "page": page,
        "offered": [(found, found in chosen) for found in dict.fromkeys([*chosen, *offered])],
        "chosen": chosen,
        "twins": [found for found in chosen if (known := caveats.shipped(found.preset)) and known.is_twin],
        "cautions": {known.caution for found in chosen if (known := caveats.shipped(found.preset)) and known.caution},
        "figures_json": [figure.as_json() for figure in made["figures"]],
        "origins": _origins(runs),
        "published": published.TABLE_1,
        "published_source": published.TABLE_1_SOURCE,
        "averages_cover": paper.AVERAGES_COVER,
        "published_averages": paper.published_averages(),
        "published_r2": published.SCALING_R2,
        "scaling_source": published.SCALING_SOURCE,
    }
    return render(request, "results/paper_page.html", context)


def _experiments(request: HttpRequest) -> Any:
    return access.experiments_for(request.user).filter(archived_at=None)


def _chosen(request: HttpRequest, experiments: Any, offered: Sequence[Experiment]) -> list[Experiment]:
    asked = [
        int(part) for text in request.GET.getlist("experiment") for part in text.split(",")
        if part.isdecimal() and len(part) < 19
    ]  # fmt: skip
    if not asked:
        return list(offered[:CHOSEN_AT_FIRST])
    found = {experiment.pk: experiment for experiment in experiments.filter(pk__in=asked[:MOST_CHOSEN])}
    return [found[pk] for pk in dict.fromkeys(asked) if pk in found]


def _of_tables(page: paper.PaperPage, chosen: Sequence[Experiment]) -> dict[str, Any]:
    found, runs = tables_of(page, chosen)
    named = [replace(table, ref=papers.ref(chosen, page, papers.TABLE, table.key)) for table in found]
    tables = leading(named)
    figures = [table.figure for table in tables if table.figure]
    more: dict[str, Any] = {}
    if page.slug == "figure-5":
        lines, trained = scaling_of_experiments(chosen)
        figure = scaling_of_runs(lines)
        figure = figure and replace(figure, ref=papers.ref(chosen, page, papers.SCALING))
        more = {"scaling": lines, "scaling_means": scaling_means(lines), "figure": figure}
        more |= {"fits_ref": papers.ref(chosen, page, papers.FITS), "fits_cover": FITS_COVER}
        figures = [*filter(None, [figure]), *figures]
        runs = [*trained, *runs]
    return {"tables": tables, "runs": runs, "figures": figures, **more}


def _of_evaluations(request: HttpRequest, page: paper.PaperPage, chosen: Sequence[Experiment]) -> dict[str, Any]:
    seen = access.standings_for(request.user).filter(experiment__in=chosen)
    found = papers.boards_of(seen)
    rows = [row.standing for one in found for row in one.rows]
    runs = list(Run.objects.filter(pk__in={pk for row in rows for pk in row.runs}).select_related("experiment"))
    if page.slug == "table-1":
        sections = [
            {
                "board": one,
                "lines": lines_of(one, {}, False),
                "address": one.words.group,
                "ref": papers.ref(chosen, page, papers.BOARD, one.words.group),
            }
            for one in found
        ]
        return {"sections": sections, "runs": runs, "figures": [], "tables": []}
    parts: list[dict[str, Any]] = []
    for number, one in enumerate(found):
        averages = papers.averages_of(one)
        figure = paper.average_figure(averages, f"averages-{number}")
        figure = figure and replace(figure, ref=papers.ref(chosen, page, papers.AVERAGES, one.words.group))
        parts.append({"board": one, "averages": averages, "figure": figure})
    return {"averages": parts, "runs": runs, "tables": [], "figures": [p["figure"] for p in parts if p["figure"]]}


def _origins(runs: Sequence[Run]) -> list[tuple[Run, list[EvaluatedSet]]]:
    """Each run with the position sets that it was evaluated at (2 queries)."""
    unique = list({run.pk: run for run in runs}.values())
    hashes: dict[int, set[str]] = {}
    rows = Run.objects.filter(pk__in=[run.pk for run in unique]).values_list("pk", "evaluations__position_set")
    for pk, name in rows.distinct():
        if name:
            hashes.setdefault(pk, set()).add(name)
    every = {name for names in hashes.values() for name in names}
    teams = {run.experiment.team_id for run in unique}
    known = {found.hash: found for found in EvaluatedSet.objects.filter(hash__in=every, team__in=teams)}
    return [(run, [known[name] for name in sorted(hashes.get(run.pk, ())) if name in known]) for run in unique]
