"""Comparisons at the same positions: which evaluations they are of, whether they are made, and making them once.

In: entries of a basket with their runs, a mode for those that name none. Out: the stored comparison, or a job of the
quick lane that makes it.
Pages read what is stored; outcomes on disk are read by the job alone.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models.functions import Now

from rpt_core.errors import UserError
from rpt_core.words import listed
from rpt_web.compare.entries import MODES, BasketEntry
from rpt_web.compare.models import ComparedOutcomes, PositionComparison
from rpt_web.jobs import services as jobs
from rpt_web.jobs.models import Job, JobState
from rpt_web.results.models import Evaluation
from rpt_web.results.queries import mode_label
from rpt_web.runs.models import UNFINISHED, Run
from rpt_web.teams.models import User
from rpt_web.text import clean_json

KIND = "compare"
VERSION = 2
"""Of what a comparison holds: with another one, all are made again."""
KEPT_DAYS = 60
MOST_AT_ONCE = 3
"""Comparisons of one person that have not ended."""
MOST_NAMED = 3
"""Runs without an evaluation that a refusal names."""
FEWEST, MOST = 2, 2000
"""Evaluations of one comparison."""
MOST_SLICED, MOST_IN_MATRIX = 12, 40
"""With more evaluations, parts of the positions, or every two of them, are left out: a page of two of them has both."""
STEPS_NAMED = 8


class EvaluationRow(NamedTuple):
    """What is read of an evaluation, under the names of its fields: a basket may have thousands."""

    run_id: int
    step: int
    mode: str
    pk: int
    attempt: int
    difficulty: str
    n: int
    value: float
    flops: float | None


@dataclass(frozen=True)
class EvaluatedEntry:
    """An entry of a basket with the evaluation that stands for it."""

    place: int
    """In the basket."""
    run: Run
    step: int
    mode: str
    flops: float | None
    print: tuple[Any, ...]
    """What tells this evaluation from a later one of the same step."""


@dataclass(frozen=True)
class ToCompare:
    """What can be compared of a basket, and why the rest cannot."""

    mode: str
    """Of the entries that name none."""
    entries: Sequence[EvaluatedEntry]
    missing: Mapping[int, str]
    """By the place in the basket, in words."""
    unevaluated: Sequence[str]
    """The same with the names of the runs."""
    modes_of: Sequence[Sequence[str]]
    """In which each run of the basket was evaluated, by the place there."""

    @property
    def modes(self) -> list[str]:
        """In which any of the runs was evaluated."""
        return [mode for mode in MODES if any(mode in had for had in self.modes_of)]

    @property
    def is_mixed(self) -> bool:
        """Whether evaluations of several modes are compared."""
        return len({one.mode for one in self.entries}) > 1

    @property
    def key(self) -> str:
        """Of the comparison of exactly this."""
        told = [VERSION, [[one.run.pk, one.step, one.mode, one.print] for one in self.entries]]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def to_compare(entries: Sequence[tuple[BasketEntry, Run]], mode: str = "") -> ToCompare:
    """The evaluation of each entry in its mode, or, where it names none, in this one, or in the one that most of these
    have (1 query). A run without a step stands for its newest evaluation."""
    rows = Evaluation.objects.filter(run__in={run.pk for _, run in entries}, mode__in=MODES, n__gt=0)
    by_run: dict[int, dict[str, dict[int, list[EvaluationRow]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for row in map(EvaluationRow._make, rows.order_by("run", "step", "difficulty").values_list(*EvaluationRow._fields)):
        by_run[row.run_id][row.mode][row.step].append(row)
    had = [[mode for mode in MODES if mode in by_run[run.pk]] for _, run in entries]
    if mode not in MODES:
        open_ = [modes for (entry, _), modes in zip(entries, had, strict=True) if not entry.mode]
        mode = max(MODES, key=lambda name: sum(name in modes for modes in open_))
    found, missing, unevaluated = list[EvaluatedEntry](), dict[int, str](), list[str]()
    for place, (entry, run) in enumerate(entries):
        own = entry.mode or mode
        steps = by_run[run.pk].get(own, {})
        step = max(steps, default=None) if entry.step is None else entry.step
        if step is None or step not in steps:
            missing[place] = _missing_words(entry, run, had[place], sorted(steps), own)
            unevaluated.append(f"Run {run.pk}, “{run.name}”: {missing[place]}")
        else:
            found.append(_entry(place, run, step, own, steps[step]))
    return ToCompare(mode, found, missing, unevaluated, had)


def stored(wanted: ToCompare) -> PositionComparison | None:
    """The comparison, if it was made or is being made (1 query)."""
    rows = PositionComparison.objects.defer("positions").select_related("job")
    return rows.filter(key=wanted.key).first() if len(wanted.entries) >= FEWEST else None


def start(wanted: ToCompare, user: User) -> PositionComparison:
    """Have a comparison made, unless it is, or is being made. Raises UserError, which says what to put right."""
    if len(wanted.entries) < FEWEST:
        why = " ".join(wanted.unevaluated[:MOST_NAMED])
        raise UserError(f"Two evaluated runs at least can be compared position by position. {why}".strip())
    if len(wanted.entries) > MOST:
        raise UserError(
            f"{len(wanted.entries):,} evaluations are too many: a comparison takes {MOST:,}. Leave some out."
        )
    with transaction.atomic():
        row, _ = PositionComparison.objects.get_or_create(key=wanted.key, defaults=_values(wanted))
        row = PositionComparison.objects.select_for_update(of=("self",)).select_related("job").get(pk=row.pk)
        if row.made_at is None and not _is_under_way(row.job):
            _refuse_too_many(user)
            row.job = jobs.submit(KIND, {"comparison": row.pk}, user)
            row.save(update_fields=["job"])
    return row


def keep(
    job: Job, comparison: PositionComparison, data: Mapping[str, Any], positions: bytes, rows: Sequence[bytes]
) -> bool:
    """Store what was computed while the job is this attempt's; False when it is not."""
    with transaction.atomic():
        if not jobs.owned(job).select_for_update().exists():
            return False
        comparison.outcomes.all().delete()
        ComparedOutcomes.objects.bulk_create(
            ComparedOutcomes(comparison=comparison, place=place, run_id=run, rows=own)
            for place, ((run, *_), own) in enumerate(zip(comparison.entries, rows, strict=True))
        )
        PositionComparison.objects.filter(pk=comparison.pk).update(
            data=clean_json(dict(data)), positions=positions, made_at=Now()
        )
    return True


def forget_old(days: int = KEPT_DAYS, limit: int = 100) -> int:
    """For the reaper: comparisons from so long ago are gone; they are made again when asked for. Returns how many."""
    old = PositionComparison.objects.filter(created_at__lt=Now() - timedelta(days=days))
    ids = list(old.order_by("id").values_list("pk", flat=True)[:limit])
    PositionComparison.objects.filter(pk__in=ids).delete()
    return len(ids)


def _entry(place: int, run: Run, step: int, mode: str, rows: Sequence[EvaluationRow]) -> EvaluatedEntry:
    told = tuple((row.pk, row.attempt, row.difficulty, row.n, row.value) for row in rows)
    flops = next((row.flops for row in rows if row.flops is not None), None)
    return EvaluatedEntry(place, run, step, mode, flops, told)


def _values(wanted: ToCompare) -> dict[str, Any]:
    return {
        "entries": [[one.run.pk, one.step, one.mode] for one in wanted.entries],
        "runs": sorted({one.run.pk for one in wanted.entries}),
    }


def _is_under_way(job: Job | None) -> bool:
    return job is not None and job.state in (JobState.QUEUED, JobState.RUNNING)


def _refuse_too_many(user: User) -> None:
    under_way = Job.objects.filter(created_by=user, kind=KIND, state__in=(JobState.QUEUED, JobState.RUNNING)).count()
    if under_way >= MOST_AT_ONCE:
        raise UserError(
            f"{under_way} of your comparisons are still being made, all that one person may have at once. Wait for one."
        )


def _missing_words(entry: BasketEntry, run: Run, known: Sequence[str], steps: Sequence[int], mode: str) -> str:
    under_way = _under_way_words(run) if run.status in UNFINISHED else ""
    return under_way if under_way and not known else f"{_had_words(entry, known, steps, mode)} {under_way}".strip()


def _under_way_words(run: Run) -> str:
    """That what is missing may still come."""
    state = run.get_status_display().lower()
    if run.stage == "evaluate":
        return f"It is still being evaluated ({state}). It can be compared once that has ended."
    return f"It has not ended ({state}), so an evaluation may still come."


def _had_words(entry: BasketEntry, known: Sequence[str], steps: Sequence[int], mode: str) -> str:
    if not known:
        return "It was not evaluated position by position. Evaluate it, or take the run that evaluated its checkpoint."
    if not steps:
        had = listed(map(mode_label, known))
        return f"It was not evaluated in the mode {mode_label(mode)}, but in: {had}. Choose such a mode for it."
    shown = listed(map(str, steps[-STEPS_NAMED:]))
    return f"It was not evaluated at step {entry.step}. Steps with an evaluation: {shown}."
