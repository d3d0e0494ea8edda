"""The intervals of headlines, the rows of the leaderboard and the fits of scaling curves, computed once: when
evaluations have arrived, and when a run has succeeded.

In: an experiment's evaluations, and the outcomes of each position on disk. Out: rows of `Interval`, `Standing` and
`ScalingFit`, which pages only read. `Experiment.results_version` rises with what may change one of them;
`intervals_version` says which of these the stored rows are of, so that the reaper finds what a worker left undone, and
what was stored before there were such rows. How differences are found is in `workers.differences`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet

from rpt_core.statistics.seeds import SHARES
from rpt_web.results.changes import Change, Intervals
from rpt_web.results.curves import MODE, Curve, fitted_curves
from rpt_web.results.headlines import ranked_headlines
from rpt_web.results.models import Evaluation, Interval, ScalingFit, Standing
from rpt_web.results.standings import standings
from rpt_web.runs.models import Experiment, Run
from rpt_web.runs.queries import runs_in_order
from workers import leads, position_sets
from workers.differences import columns, difference, over_seeds
from workers.outages import is_away

RESPONSES = ("sampled", "greedy")
"""The modes whose value counts responses."""
logger = logging.getLogger(__name__)


def note_results(run: Run) -> None:
    """Evaluations of a run were written or are about to be deleted: forget what was computed from those that it has.

    Call in the transaction that does so.
    """
    own = list(run.evaluations.values_list("pk", flat=True))
    Interval.objects.filter(experiment=run.experiment_id, evaluations__overlap=own).delete()
    run.scaling_fits.all().delete()
    Experiment.objects.filter(pk=run.experiment_id).update(results_version=F("results_version") + 1)


def refresh(experiment_id: int) -> bool:
    """Compute and store what the headlines of an experiment lack; safe beside another's.

    False when that fails, which the log tells: no run fails for it. Raises only what a database that is away does.
    """
    try:
        _refresh(Experiment.objects.get(pk=experiment_id))
    except Exception as error:
        if is_away(error):
            raise
        logger.exception("the intervals of experiment %s cannot be computed", experiment_id)
        return False
    return True


def due() -> QuerySet[Experiment]:
    """Experiments whose intervals are of older results than there are, the newest first."""
    return Experiment.objects.filter(results_version__gt=F("intervals_version")).order_by("-id")


def _refresh(experiment: Experiment) -> None:
    runs = runs_in_order(experiment)
    _fill_no_box(runs)
    position_sets.fill_in(runs)
    computed = ComputedIntervals(experiment.intervals.all())
    for headline in ranked_headlines(experiment, runs, computed):
        headline.ask_all()
    rows = Evaluation.objects.filter(run__in=runs, n__gt=0).order_by("id")
    ranked = standings(runs, rows, computed)
    fits = [_scaling_fit(run, curve) for run in _unfitted(runs) for curve in fitted_curves(run) if curve.points]
    with transaction.atomic():
        same = Experiment.objects.select_for_update(no_key=True).filter(results_version=experiment.results_version)
        if same.filter(pk=experiment.pk).exists():  # else results have come meanwhile, and with them another refresh
            new = [Interval(experiment=experiment, **values) for values in computed.new]
            Interval.objects.bulk_create(new, ignore_conflicts=True)
            ScalingFit.objects.bulk_create(fits, ignore_conflicts=True)
            _store(experiment, ranked)
            same.filter(pk=experiment.pk).update(intervals_version=experiment.results_version)
    leads.refresh(experiment)


def _store(experiment: Experiment, ranked: Sequence[Standing]) -> None:
    """Keep the ids of rows that are still there: addresses name them."""
    for row in ranked:
        row.experiment = experiment
    experiment.standings.exclude(key__in=[row.key for row in ranked]).delete()
    unique = ["experiment", "key"]
    other = [field.name for field in Standing._meta.local_fields if field.name not in ("id", *unique)]
    Standing.objects.bulk_create(ranked, update_conflicts=True, unique_fields=unique, update_fields=other)


def _unfitted(runs: Sequence[Run]) -> list[Run]:
    """RPT runs without fits: those that they had go when an evaluation comes."""
    fitted = set(ScalingFit.objects.filter(run__in=runs).values_list("run", flat=True))
    return [run for run in runs if run.stage == "rpt" and run.pk not in fitted]


def _scaling_fit(run: Run, curve: Curve) -> ScalingFit:
    row = ScalingFit(run=run, mode=MODE, difficulty=curve.difficulty, problem=curve.problem)
    row.evaluations = [point.pk for point in curve.points]
    if (fit := curve.fit) is not None:
        row.a, row.alpha, row.p_star, row.at_bound = fit.A, fit.alpha, fit.p_star, fit.at_bound
        row.r2 = fit.r2 if math.isfinite(fit.r2) else None
        row.p_star_low, row.p_star_high = fit.p_star_low, fit.p_star_high
    return row


class ComputedIntervals(Intervals):
    """Computes what is not stored. `new` has the fields of the rows to store."""

    def __init__(self, rows: Iterable[Interval]) -> None:
        super().__init__(rows)
        self.new: list[dict[str, Any]] = []
        self._computed: dict[tuple[str, tuple[int, ...]], Change] = {}

    def _missing(self, kind: str, rows: Sequence[Evaluation], value: float, alike: str) -> Change:
        key = kind, tuple(row.pk for row in rows)
        if key not in self._computed:
            self._computed[key] = self._compute(kind, rows, alike)
        return self._computed[key]

    def _compute(self, kind: str, rows: Sequence[Evaluation], alike: str) -> Change:
        if kind == Interval.MEAN:
            change = Change(over_seeds([row.value for row in rows], SHARES), "", alike)
        else:
            change = difference(list(zip(rows[::2], rows[1::2], strict=True)))
        found = {"value": change.estimate.value, "low": change.estimate.low, "high": change.estimate.high}
        ids = [row.pk for row in rows]
        self.new.append({"kind": kind, "evaluations": ids, "n": change.estimate.n, "how": change.how, **found})
        return change


def _fill_no_box(runs: Sequence[Run]) -> None:
    """The share of responses without a box, from the outcomes on disk, of runs that did not say it."""
    by_id = {run.pk: run for run in runs}
    silent = Evaluation.objects.filter(run__in=runs, difficulty="hard", mode__in=RESPONSES, n__gt=0, no_box=None)
    for row in silent:
        row.run = by_id[row.run_id]
        if (share := _share_without_box(row)) is not None:
            Evaluation.objects.filter(pk=row.pk, no_box=None).update(no_box=share)


def _share_without_box(row: Evaluation) -> float | None:
    found = [
        prediction is None
        for inside, samples, prediction in columns(row, row.difficulty, "samples", f"{row.mode}_prediction")
        if inside and (row.mode == "greedy" or samples == 1)  # of several responses the file has only the vote
    ]
    return sum(found) / len(found) if found and len(found) == row.n else None
