"""The registry of exhibits: by the first word of a ref's rest, who builds it.

In: a run, an experiment, or a queue with the reviews that somebody may see; the rest of a ref. Of several runs, the ref
and all that somebody may see. What several exhibits of one answer need is read once through a `ReadOnce`. Out: an
`Exhibit`; None for what is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db.models import QuerySet

from rpt_web.exhibits import agreement, boards, compared, data, papers, runs_tables
from rpt_web.exhibits.entropy_figures import split_figures, top_k_of
from rpt_web.exhibits.exhibit import Exhibit
from rpt_web.exhibits.reading import ReadOnce
from rpt_web.exhibits.refs import BOARD, COMPARE, PAPER, RUNS, ExhibitRef
from rpt_web.exhibits.seen import ExhibitScope
from rpt_web.results import figures, levels, queries
from rpt_web.results.curves import stored_curves
from rpt_web.results.metric_figures import metric_figures
from rpt_web.results.models import ResultTable
from rpt_web.results.table_figures import table_figure
from rpt_web.results.tables import with_paths
from rpt_web.review.models import Review, ReviewQueue
from rpt_web.runs.models import Experiment, Run
from rpt_web.runs.queries import runs_in_order

Builder = Callable[[Any, str, ReadOnce], Exhibit | None]
ACCURACY = "Accuracy with its 95 % interval, at held-out positions."


def of_run(run: Run, rest: str, reading: ReadOnce) -> Exhibit | None:
    """An exhibit of one run."""
    return _built(_OF_RUNS, run, rest, reading)


def of_experiment(experiment: Experiment, rest: str, reading: ReadOnce) -> Exhibit | None:
    """An exhibit of an experiment."""
    return _built(_OF_EXPERIMENTS, experiment, rest, reading)


def of_queue(queue: ReviewQueue, rest: str, seen: QuerySet[Review]) -> Exhibit | None:
    """An exhibit of a review queue, made from the reviews that the reader may see."""
    word, _, own = rest.partition("/")
    return agreement.exhibit(queue, own, seen) if word == "agreement" else None


def of_several(ref: ExhibitRef, seen: ExhibitScope) -> Exhibit | None:
    """An exhibit of several things, made from those that somebody may see."""
    return _OF_SEVERAL[ref.kind](ref.subject, ref.rest, seen) if ref.kind in _OF_SEVERAL else None


def _built(builders: Mapping[str, Builder], subject: Any, rest: str, reading: ReadOnce) -> Exhibit | None:
    word, _, own = rest.partition("/")
    return builders[word](subject, own, reading) if word in builders else None


def _metric(run: Run, chart_id: str, reading: ReadOnce) -> Exhibit | None:
    series = reading.series(run)
    figure = next(iter(metric_figures(series, lambda chart: chart.id == chart_id)), None)
    if figure is None:
        return None
    table = data.of_metrics(figure, series, data.file_name("run", run.pk, chart_id))
    ref = f"run/{run.pk}/metric/{chart_id}"
    return Exhibit(ref, figure.title, figure.caption, table, figure, reading.source(run), is_figure=True)


def _accuracy(run: Run, mode: str, reading: ReadOnce) -> Exhibit | None:
    figure = figures.accuracy_figure(reading.accuracy(run), mode)
    if figure is None:
        return None
    table = data.of_drawing(figure, data.file_name("run", run.pk, "accuracy", mode))
    ref = f"run/{run.pk}/accuracy/{mode}"
    return Exhibit(ref, figure.title, figure.caption, table, figure, reading.source(run), is_figure=True)


def _evaluations(run: Run, rest: str, reading: ReadOnce) -> Exhibit | None:
    found = reading.accuracy(run)
    if rest or not found:
        return None
    title = f"Evaluations of {run.name}"
    caption = f"{ACCURACY} {levels.measured_levels(row for rows in found.values() for row in rows)}"
    table = data.of_steps(queries.by_step_table(found), data.file_name("run", run.pk, "evaluations"), title, caption)
    return Exhibit(f"run/{run.pk}/evaluations", title, caption, table, None, reading.source(run))


def _result_table(run: Run, rest: str, reading: ReadOnce) -> Exhibit | None:
    step, _, name = rest.partition("/")
    if not step.isascii() or not step.isdecimal() or len(step) > 9:
        return None
    stored = ResultTable.objects.filter(run=run, step=int(step), name=name).first()
    if stored is None:
        return None
    table = data.of_result_table(stored.data, data.file_name("run", run.pk, name), stored.title)
    drawn = table_figure("table", stored.title, {**stored.data, "rows": [*map(with_paths, stored.data["rows"])]})
    caption = stored.data["caption"]
    ref = f"run/{run.pk}/table/{stored.step}/{name}"
    return Exhibit(ref, stored.title, caption, table, drawn, reading.source(run))


def _entropy(run: Run, rest: str, reading: ReadOnce) -> Exhibit | None:
    split, _, own = rest.partition("/")
    id_, _, vocabulary = own.partition("/")
    stored = run.splits.filter(split=split).first()
    tokens = int(vocabulary) if vocabulary.isascii() and vocabulary.isdecimal() and len(vocabulary) < 9 else 0
    drawn = split_figures(stored, top_k_of(run), tokens) if stored and tokens > 1 else []
    figure = next((figure for figure in drawn if figure.id == id_), None)
    if figure is None:
        return None
    table = data.of_drawing(figure, data.file_name("run", run.pk, id_, split))
    ref = f"run/{run.pk}/entropy/{rest}"
    return Exhibit(ref, figure.title, figure.caption, table, figure, reading.source(run), is_figure=True)


def _blocks(experiment: Experiment, rest: str, reading: ReadOnce) -> Exhibit | None:
    runs = runs_in_order(experiment)
    blocks = [] if rest else queries.model_blocks(experiment, runs)
    if not blocks:
        return None
    title = f"Accuracy by difficulty, {experiment.name}"
    caption = f"{ACCURACY} {levels.measured_levels(queries.evaluations_of(blocks))}"
    name = data.file_name("experiment", experiment.pk, "accuracy")
    table = data.of_blocks(queries.by_seed(blocks), name, title, caption)
    sources = reading.sources(block.run for block in blocks)
    return Exhibit(f"experiment/{experiment.pk}/accuracy", title, caption, table, None, sources)


def _scaling(experiment: Experiment, rest: str, reading: ReadOnce) -> Exhibit | None:
    run = (
        experiment.runs.filter(pk=int(rest)).first() if rest.isascii() and rest.isdecimal() and len(rest) < 19 else None
    )
    figure = figures.scaling_figure(stored_curves(run)) if run else None
    if run is None or figure is None:
        return None
    table = data.of_drawing(figure, data.file_name("run", run.pk, "scaling"))
    ref = f"experiment/{experiment.pk}/scaling/{run.pk}"
    title = f"{figure.title}, {run.name}"
    return Exhibit(ref, title, figure.caption, table, figure, reading.source(run), is_figure=True)


_OF_RUNS: dict[str, Builder] = {
    "metric": _metric,
    "accuracy": _accuracy,
    "evaluations": _evaluations,
    "table": _result_table,
    "entropy": _entropy,
}
_OF_EXPERIMENTS: dict[str, Builder] = {"accuracy": _blocks, "scaling": _scaling}
_OF_SEVERAL: dict[str, Callable[[str, str, ExhibitScope], Exhibit | None]] = {
    COMPARE: compared.exhibit,
    BOARD: boards.exhibit,
    PAPER: papers.exhibit,
    RUNS: runs_tables.exhibit,
}
SEVERAL = tuple(_OF_SEVERAL)
"""The kinds of refs that are about several things."""
