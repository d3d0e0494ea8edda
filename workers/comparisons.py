"""The job that compares evaluations position by position: reads each one's outcomes once, and stores numbers and rows.

In: a claimed job with the comparison's id. Out: the comparison's row with numbers as JSON, all positions and each
evaluation's outcomes as Parquet with the ids of its positions, so that a page can list those behind a number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rpt_core.analysis.aligned import Aligned, Positions, align, token_length, token_type
from rpt_core.analysis.seed_pairs import SeedGroup, seed_groups_compared
from rpt_core.analysis.side_by_side import MatchedPair, accuracy, corrected, difference, match, matrix, slices
from rpt_core.errors import UserError
from rpt_core.evaluation.outcomes import read_outcomes
from rpt_core.run.folder import RunDir
from rpt_web.compare import comparisons, traced
from rpt_web.compare.comparisons import MOST_IN_MATRIX, MOST_SLICED
from rpt_web.compare.models import PositionComparison
from rpt_web.compare.positions import POSITION_IDS
from rpt_web.jobs.models import Job
from rpt_web.results.queries import mode_label
from rpt_web.runs.models import Run
from rpt_web.runs.seed_groups import seed_groups, seed_of
from workers.reports import JobReport, Stopping, Why

SEED = 0
RESAMPLES = ((3, 10_000), (20, 2000))
"""Up to so many evaluations, so many resamplings; with more, FEWEST_RESAMPLES."""
FEWEST_RESAMPLES = 1000


def compare(job: Job, report: JobReport) -> Mapping[str, Any]:
    """Make one comparison."""
    row = PositionComparison.objects.filter(pk=job.arguments["comparison"]).first()
    if row is None:
        raise UserError("The comparison is gone. Start it again.")
    positions, found = _read(row, report)
    data = _Comparison(row, positions, found, report).numbers()
    outcomes = [
        _outcomes_file(one, traced.ids_at(run, step, [positions.name(place) for place in one.place.tolist()]))
        for (run, step, _), one in zip(row.entries, found, strict=True)
    ]
    kept = comparisons.keep(job, row, data, _positions_file(positions), outcomes)
    if not kept:
        raise Stopping(Why.FENCED)
    return {"comparison": row.pk, "positions": len(positions)}


def _runs(row: PositionComparison) -> list[Run]:
    known = Run.objects.defer("plan", "log_tail", "result").in_bulk(row.runs)
    return [known[run] for run, *_ in row.entries]


def _read(row: PositionComparison, report: JobReport) -> tuple[Positions, list[Aligned]]:
    positions, found = Positions(), list[Aligned]()
    for place, (run, step, mode) in enumerate(row.entries):
        report(0.3 * place / len(row.entries), f"reading evaluation {place + 1} of {len(row.entries)}")
        known = Run.objects.only("pk").filter(pk=run).first()
        if known is None:
            raise UserError(f"Run {run} was deleted. Leave it out of the comparison.")
        try:
            outcomes = read_outcomes(RunDir(known.directory).evaluation(step))
            found.append(align(positions, outcomes, mode))
        except UserError as error:
            raise UserError(f"Run {run}, step {step}: {error}") from None
    return positions, found


class _Comparison:
    """Computes the numbers of one comparison."""

    def __init__(
        self, row: PositionComparison, positions: Positions, found: Sequence[Aligned], report: JobReport
    ) -> None:
        self.positions, self.found, self.report = positions, found, report
        self.runs, self.modes = _runs(row), [mode for *_, mode in row.entries]
        self.resamples = next((times for most, times in RESAMPLES if len(found) <= most), FEWEST_RESAMPLES)

    def numbers(self) -> dict[str, Any]:
        """What pages and the API show, as plain JSON."""
        levels = list(dict.fromkeys(level for one in self.found for level in one.levels()))
        numbers: dict[str, Any] = _plain(
            {
                "levels": levels,
                "resamples": self.resamples,
                "samples": [one.samples for one in self.found],
                "matched_by_name": [place for place, one in enumerate(self.found) if one.is_by_name],
                "accuracies": [
                    {level: asdict(accuracy(one, level, self.positions)) for level in one.levels()}
                    for one in self.found
                ],
                "with_baseline": self._with_baseline(levels),
                "matrix": {level: self._matrix(level) for level in levels} if self._is_small(MOST_IN_MATRIX) else {},
                "groups": {level: self._groups(level) for level in levels},
            }
        )
        return numbers

    def _is_small(self, most: int) -> bool:
        return len(self.found) <= most

    def _with_baseline(self, levels: Sequence[str]) -> list[dict[str, Any]]:
        """Of each evaluation but the first: its differences by level, and by parts of the positions."""
        pairs = [match(self.found[0], other) for other in self.found[1:]]
        by_level = [pair.levels() for pair in pairs]
        found = [self._without_levels(pair) for pair in pairs]
        for number, level in enumerate(levels):
            own = []
            for place, parts in enumerate(by_level):
                done = 0.3 + 0.5 * (number + place / len(by_level)) / len(levels)
                self.report(done, f"{level}: run {place + 2} of {len(self.found)} against the baseline")
                part = parts.get(level)
                own.append(None if part is None else difference(part, self.positions, SEED, self.resamples))
                if part is not None and self._is_small(MOST_SLICED):
                    cut = slices(part, self.positions, SEED, FEWEST_RESAMPLES)
                    found[place]["slices"][level] = {kind: [asdict(one) for one in rows] for kind, rows in cut.items()}
            for values, one in zip(found, corrected(own), strict=True):
                if one is not None:
                    values["levels"][level] = asdict(one)
        return found

    def _without_levels(self, pair: MatchedPair) -> dict[str, Any]:
        """What is the same at every difficulty."""
        alone = {"left_out": pair.left_out, "other_texts": pair.other_texts(self.positions)}
        return {**alone, "levels": {}, "slices": {}}

    def _matrix(self, level: str) -> list[list[Any]]:
        """[first, second, n, difference, p, Holm's p] of every two."""
        self.report(0.85, f"{level}: every two of them")
        cells = matrix(self.found, level, SEED, FEWEST_RESAMPLES)
        return [[i, j, cell.n, cell.value, cell.p, cell.holm] for (i, j), cell in cells.items()]

    def _groups(self, level: str) -> list[dict[str, Any]]:
        """Groups of seeds, if some model has several."""
        own = seed_groups(self.runs, self.modes)
        if all(len(places) < 2 for _, places in own):
            return []
        self.report(0.92, f"{level}: seeds together")
        groups = [
            SeedGroup(self._title(title, places), tuple(places), tuple(seed_of(self.runs[place]) for place in places))
            for title, places in own
        ]
        compared = seed_groups_compared(groups, self.found, level, self.positions, SEED, FEWEST_RESAMPLES)
        return [asdict(one) for one in compared]

    def _title(self, title: str, places: Sequence[int]) -> str:
        """With the mode where there are several; a group has one alone."""
        return title if len(set(self.modes)) == 1 else f"{title}, {mode_label(self.modes[places[0]])}"


def _positions_file(positions: Positions) -> bytes:
    return _parquet(
        {
            "document": pa.array(positions.document, pa.string()),
            "byte_offset": pa.array(positions.byte_offset, pa.int64()),
            "text_hash": pa.array(positions.text_hash, pa.binary(16)),
            "domain": pa.array(positions.domain, pa.string()),
            "entropy_nats": pa.array([_number(nats) for nats in positions.entropy_nats], pa.float64()),
            "next_token": pa.array(positions.next_token, pa.binary()),
            "type": pa.array([token_type(token) for token in positions.next_token], pa.string()),
            "length": pa.array([token_length(token) for token in positions.next_token], pa.string()),
        }
    )


def _outcomes_file(one: Aligned, ids: Sequence[Sequence[int]]) -> bytes:
    levels = {f"level_{name}": pa.array(flags) for name, flags in one.members.items()}
    return _parquet(
        {
            "place": pa.array(one.place, pa.int64()),
            "value": pa.array(one.value, pa.float64()),
            "right": pa.array(one.right),
            "prediction": pa.array(one.prediction.tolist(), pa.binary()),
            "tokens": pa.nulls(len(one.place), pa.float64())
            if one.tokens is None
            else pa.array(one.tokens, pa.float64()),
            POSITION_IDS: pa.array(ids, pa.list_(pa.int64())),
            **levels,
        }
    )


def _parquet(columns: Mapping[str, Any]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(dict(columns)), sink, compression="zstd")
    written: bytes = sink.getvalue().to_pybytes()
    return written


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _plain(value: Any) -> Any:
    """Numbers that are none as null: JSON of Postgres has no others."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return _number(value) if isinstance(value, float) else value
