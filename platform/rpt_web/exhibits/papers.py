"""Exhibits of the paper's pages for chosen experiments: `paper/EXPERIMENTS/PAGE/...`.

    table/NAME        the tables of that name of all their runs under each other, with their figure
    scaling           figure 5: the curves of their runs
    fits              the fits beside it: the means over seeds, then each curve's
    board/SET         table 1: their rows at a position set
    averages/SET      figure 4: the means of the three difficulties of the rows that may be compared

In: the experiments, the rest of the ref, what somebody may see. Out: an `Exhibit`; None where one of the experiments is
not among that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from django.db.models import QuerySet

from rpt_web.exhibits import data
from rpt_web.exhibits.boards import UNKNOWN, table_of
from rpt_web.exhibits.exhibit import Exhibit
from rpt_web.exhibits.refs import PAPER, ref_of
from rpt_web.exhibits.seen import ExhibitScope
from rpt_web.exhibits.sources import with_sources
from rpt_web.exports import PlainColumn, PlainTable, estimate_cells, estimate_columns
from rpt_web.exports.tables import PlainValue
from rpt_web.results import boards, paper
from rpt_web.results.board import Board, BoardFilters
from rpt_web.results.figures import Figure
from rpt_web.results.models import Standing
from rpt_web.results.paper import AverageRow, PaperPage
from rpt_web.results.paper_scaling import (
    FITS_COVER,
    ScalingLine,
    ScalingMean,
    scaling_means,
    scaling_of_experiments,
    scaling_of_runs,
)
from rpt_web.results.paper_tables import tables_of
from rpt_web.runs.models import Experiment, Run

TABLE, SCALING, FITS, BOARD, AVERAGES = "table", "scaling", "fits", "board", "averages"
MOST_ROWS = 60
"""Of a board on the page of table 1."""
Made = tuple[PlainTable, Figure | None, Sequence[Run]] | None


def exhibit(subject: str, rest: str, seen: ExhibitScope) -> Exhibit | None:
    """An exhibit of these experiments."""
    keys = [int(text) for text in dict.fromkeys(subject.split(","))]
    found = seen.experiments.in_bulk(keys)
    slug, _, after = rest.partition("/")
    kind, _, own = after.partition("/")
    page = paper.page_of(slug)
    if page is None or len(found) < len(keys) or kind not in _kinds(page):
        return None
    made = _MAKERS[kind](page, [found[key] for key in keys], own, seen)
    if made is None:
        return None
    table, figure, runs = made
    ref_text = f"{PAPER}/{subject}/{rest}"
    is_figure = kind in (SCALING, AVERAGES)
    return Exhibit(ref_text, table.title, table.caption, table, figure, seen.reading.sources(runs), is_figure=is_figure)


def ref(chosen: Sequence[Experiment], page: PaperPage, kind: str, own: str | None = None) -> str:
    """The ref as the page writes it; "" where it would be too long."""
    subject = ",".join(str(experiment.pk) for experiment in chosen)
    parts = [page.slug, kind, *([] if own is None else [own or UNKNOWN])]
    return ref_of(PAPER, subject, "/".join(parts))


def boards_of(standings: QuerySet[Standing]) -> list[Board]:
    """The boards of some experiments' rows, by position set."""
    groups = list(standings.order_by("group").values_list("group", flat=True).distinct())
    return boards.boards(standings, groups, BoardFilters(), {}, MOST_ROWS)


def averages_of(board: Board) -> list[AverageRow]:
    """The averages of the rows that are ranked: the others must not stand in one figure, nor the best of several
    responses beside single ones, since guessing raises it, too."""
    ranked = [row.standing for row in board.rows if row.rank is not None]
    return paper.averages(row for row in ranked if not row.mode.startswith("pass@"))


def _kinds(page: PaperPage) -> tuple[str, ...]:
    if not page.stages:
        return (BOARD,) if page.slug == "table-1" else (AVERAGES,)
    return (TABLE, SCALING, FITS) if page.slug == "figure-5" else (TABLE,)


def _table(page: PaperPage, chosen: Sequence[Experiment], key: str, _seen: ExhibitScope) -> Made:
    tables, runs = tables_of(page, chosen)
    found = next((table for table in tables if table.key == key), None)
    if found is None:
        return None
    table = data.of_result_table(found.data, data.file_name(page.slug, key), found.title)
    return table, found.figure, runs


def _scaling(page: PaperPage, chosen: Sequence[Experiment], own: str, _seen: ExhibitScope) -> Made:
    lines, _ = scaling_of_experiments(chosen)
    figure = None if own else scaling_of_runs(lines)
    if figure is None:
        return None
    return data.of_drawing(figure, data.file_name(page.slug, SCALING)), figure, [line.run for line in lines]


def _fits(page: PaperPage, chosen: Sequence[Experiment], own: str, _seen: ExhibitScope) -> Made:
    """The fits that stand beside the curves."""
    lines, _ = scaling_of_experiments(chosen)
    if own or not lines:
        return None
    columns = [
        *(PlainColumn("fit_of", "Fit of"), PlainColumn("difficulty", "Difficulty")),
        PlainColumn("points", "Points", "count"),
        *estimate_columns("alpha", "α", "number"),
        *estimate_columns("p_star", "P*"),
        PlainColumn("r2", "R²", "number"),
        PlainColumn("remark", "Remark"),
    ]
    rows = [*map(_mean_cells, scaling_means(lines)), *map(_fit_cells, lines)]
    table = PlainTable(data.file_name(page.slug, FITS), "Fits of the scaling curves", columns, rows, FITS_COVER)
    return table, None, [line.run for line in lines]


def _mean_cells(mean: ScalingMean) -> dict[str, PlainValue]:
    left_out = f"{mean.left_out} more not determined" if mean.left_out else None
    return {
        **{"fit_of": mean.label, "difficulty": mean.difficulty, "remark": left_out},
        **estimate_cells("alpha", mean.alpha.value, mean.alpha.low, mean.alpha.high),
        **estimate_cells("p_star", mean.p_star.value, mean.p_star.low, mean.p_star.high),
    }


def _fit_cells(line: ScalingLine) -> dict[str, PlainValue]:
    named: dict[str, PlainValue] = {"fit_of": line.label, "difficulty": line.curve.difficulty}
    fit, named["points"] = line.fit, len(line.curve.points)
    if fit is None:
        return named | {"remark": line.curve.problem}
    return {
        **named,
        "alpha": fit.alpha,
        **estimate_cells("p_star", fit.p_star, fit.p_star_low, fit.p_star_high),
        "r2": None if math.isnan(fit.r2) else fit.r2,
        "remark": None if fit.is_determined else fit.remark(),
    }


def _board(page: PaperPage, chosen: Sequence[Experiment], own: str, seen: ExhibitScope) -> Made:
    board = _one_board(chosen, own, seen)
    if board is None:
        return None
    table = replace(table_of(board), name=data.file_name(page.slug, own))
    return table, None, _runs_of([row.standing for row in board.rows])


def _averages(page: PaperPage, chosen: Sequence[Experiment], own: str, seen: ExhibitScope) -> Made:
    """Each row's mean, with an interval over seeds where it has several; a figure where any may be compared."""
    board = _one_board(chosen, own, seen)
    rows = averages_of(board) if board else []
    if not rows:
        return None
    figure = paper.average_figure(rows, AVERAGES)
    columns = [
        *(PlainColumn("model", "Model"), PlainColumn("experiment", "Experiment"), PlainColumn("mode", "Mode")),
        PlainColumn("seeds", "Seeds"),
        *estimate_columns("average", "Mean of easy, medium and hard"),
        PlainColumn("flops", "FLOPs", "flops"),
    ]
    cells = [
        {
            **{"model": row.standing.name, "experiment": row.standing.experiment.name, "mode": row.mode},
            **{"seeds": ", ".join(map(str, row.standing.seeds)), "flops": row.standing.flops},
            **estimate_cells("average", row.value, row.low, row.high),
        }
        for row in rows
    ]
    caption = f"The mean of the three difficulties; only rows that may be compared. {paper.AVERAGES_COVER}"
    table = PlainTable(data.file_name(page.slug, own), "Average accuracy", columns, cells, caption)
    return table, figure, _runs_of([row.standing for row in rows])


def _one_board(chosen: Sequence[Experiment], own: str, seen: ExhibitScope) -> Board | None:
    rows = seen.standings.filter(experiment__in=chosen, group="" if own == UNKNOWN else own[:32])
    return next(iter(boards_of(rows)), None)


def _runs_of(rows: Sequence[Standing]) -> list[Run]:
    keys = {run for row in rows for run in row.runs}
    return list(with_sources(Run.objects.filter(pk__in=keys)))


_MAKERS: dict[str, Callable[[PaperPage, Sequence[Experiment], str, ExhibitScope], Made]] = {
    TABLE: _table,
    SCALING: _scaling,
    FITS: _fits,
    BOARD: _board,
    AVERAGES: _averages,
}
