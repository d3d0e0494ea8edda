"""Evaluations as the pages show them: the table in the form of the paper's Table 1.

In: rows of `Evaluation`. Out: plain data. A missing cell stays missing; every accuracy keeps its n and interval.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rpt_core.config import DIFFICULTIES
from rpt_web.results.lineage import (
    compute_ratio,
    compute_words,
    has_as_many_responses,
    matched_run,
    source_run,
    stage_label,
    start,
)
from rpt_web.results.models import Evaluation, ResultTable
from rpt_web.runs.models import Experiment, Run, Status

MODE_LABELS = {
    "standard": "standard",
    "sampled": "reasoning",
    "majority": "reasoning, majority vote",
    "greedy": "reasoning, greedy",
}
Cells = dict[str, Evaluation | None]


@dataclass(frozen=True)
class ModelRow:
    """One row of the table: a mode of one model."""

    mode: str
    label: str
    cells: Cells

    def in_order(self) -> list[Evaluation | None]:
        """The cells, easy to hard."""
        return [self.cells.get(difficulty) for difficulty in DIFFICULTIES]


@dataclass(frozen=True)
class ModelBlock:
    """All modes of one model, with the compute it was trained with in this experiment."""

    title: str
    note: str
    run: Run
    step: int
    flops: float | None
    rows: list[ModelRow]
    is_baseline: bool = False


def model_blocks(experiment: Experiment, runs: Sequence[Run]) -> list[ModelBlock]:
    """The measured part of the table (1 query): RPT runs before and after, then what `evaluate` runs measured."""
    by_run: dict[int, dict[int, list[Evaluation]]] = defaultdict(lambda: defaultdict(list))
    for row in Evaluation.objects.filter(run__experiment=experiment, n__gt=0):
        by_run[row.run_id][row.step].append(row)
    by_id = {run.pk: run for run in runs}
    trained = [run for run in runs if run.pk in by_run and run.stage != "evaluate"]
    evaluated = [run for run in runs if run.pk in by_run and run.stage == "evaluate"]
    blocks = [block for run in trained for block in _before_and_after(run, by_run[run.pk], by_id)]
    blocks += [
        _evaluated(run, step, rows, by_id)
        for run in evaluated
        for step, rows in sorted(by_run[run.pk].items())
        if not _is_repeated(run, rows, by_run)
    ]
    return sorted(_without_repeats(blocks), key=lambda block: block.is_baseline)


def by_seed(blocks: Iterable[ModelBlock]) -> list[tuple[str, list[ModelBlock]]]:
    """Blocks by the seed of the copy that their runs belong to (`s0-rpt`): "" for none, then rising seeds."""
    groups: dict[str, list[ModelBlock]] = defaultdict(list)
    for block in blocks:
        groups["" if block.run.copy_seed is None else str(block.run.copy_seed)].append(block)
    return [(seed, groups[seed]) for seed in sorted(groups, key=lambda seed: (seed != "", int(seed or 0)))]


def evaluations_of(blocks: Iterable[ModelBlock]) -> list[Evaluation]:
    """The rows that the table shows."""
    return [cell for block in blocks for row in block.rows for cell in row.cells.values() if cell]


def mode_label(mode: str) -> str:
    """A mode in words: `pass@8` is one of the reasoning modes."""
    return MODE_LABELS.get(mode) or (f"reasoning, {mode}" if mode.startswith("pass@") else mode)


def mode_order(mode: str) -> tuple[int, int, str]:
    """Standard, reasoning, pass@k by rising k, majority, greedy, then whatever else there is."""
    if mode.startswith("pass@") and mode[5:].isdecimal():
        return 2, int(mode[5:]), mode
    places = {"standard": 0, "sampled": 1, "majority": 3, "greedy": 4}
    return places.get(mode, 5), 0, mode


def accuracy_by_step(run: Run) -> dict[tuple[str, str], list[Evaluation]]:
    """A run's evaluations by mode and difficulty, in the order of steps (1 query)."""
    found: dict[tuple[str, str], list[Evaluation]] = defaultdict(list)
    for row in run.evaluations.filter(n__gt=0).order_by("step"):
        found[row.mode, row.difficulty].append(row)
    return dict(found)


def has_tables(run: Run) -> bool:
    """Whether the run has written a result table (1 query)."""
    return ResultTable.objects.filter(run=run).exists()


def by_step_table(found: dict[tuple[str, str], list[Evaluation]]) -> list[tuple[int, list[ModelRow]]]:
    """The same evaluations step by step, the newest step first."""
    steps: dict[int, list[Evaluation]] = defaultdict(list)
    for rows in found.values():
        for row in rows:
            steps[row.step].append(row)
    return [(step, _rows(steps[step])) for step in sorted(steps, reverse=True)]


def _is_repeated(run: Run, rows: list[Evaluation], by_run: dict[int, dict[int, list[Evaluation]]]) -> bool:
    """Whether an evaluation gives again, cell for cell, what the run that wrote the checkpoint had measured."""
    source = start(run)
    if not isinstance(source, tuple) or source[0] not in by_run:
        return False
    cells = {(row.mode, row.difficulty, row.value, row.n) for row in by_run[source[0]].get(source[1], [])}
    return cells == {(row.mode, row.difficulty, row.value, row.n) for row in rows}


def _before_and_after(run: Run, by_step: dict[int, list[Evaluation]], by_id: dict[int, Run]) -> Iterable[ModelBlock]:
    steps = sorted(by_step)
    source = source_run(run, by_id)
    label, words = stage_label(run.stage), _match_words(run, by_id)
    for step in sorted({steps[0], steps[-1]}):
        rows = by_step[step]
        if step == 0:
            title, note = f"Before {label}", f"after {_name(source)}" if source else "the model it starts from"
        elif run.is_active:
            title, note = f"{label}, under way", f"{_name(run)}, step {step} so far"
        elif run.status != Status.SUCCEEDED:
            title, note = f"{label}, {_state(run)}", f"{_name(run)}, step {step}"
        else:
            title, note = f"After {label}", "; ".join(filter(None, (f"{_name(run)}, step {step}", words)))
        yield ModelBlock(title, note, run, step, _flops(rows), _rows(rows), is_baseline=step > 0 and bool(words))


def _evaluated(run: Run, step: int, rows: list[Evaluation], by_id: dict[int, Run]) -> ModelBlock:
    source = source_run(run, by_id)
    if source is None:
        return ModelBlock(run.title or run.name, "the model it was given", run, step, _flops(rows), _rows(rows))
    flops = source.flops if source.flops is not None else _flops(rows)
    words = _match_words(source, by_id, flops)
    note = "; ".join(filter(None, (source.title, words)))
    title = f"After {_name(source)}" if source.status == Status.SUCCEEDED else f"{_name(source)}, {_state(source)}"
    return ModelBlock(title, note, run, step, flops, _rows(rows), is_baseline=bool(words))


def _match_words(run: Run, by_id: dict[int, Run], flops: float | None = None) -> str:
    """How a baseline stands to the run that it is one of; "" for a run that is no baseline."""
    matched = matched_run(run, by_id)
    if matched is None:
        return ""
    words = compute_words(compute_ratio(flops or run.flops, matched.flops), matched.name)
    return f"same number of responses, {words}" if has_as_many_responses(run, matched) else words


def _without_repeats(blocks: Iterable[ModelBlock]) -> list[ModelBlock]:
    """Blocks less those that say the same of the same model: several runs may start from one checkpoint."""
    seen = set()
    kept = []
    for block in blocks:
        cells = [cell for row in block.rows for cell in row.in_order() if cell]
        key = (block.title, block.note, *((cell.mode, cell.difficulty, cell.value, cell.n) for cell in cells))
        if key not in seen:
            seen.add(key)
            kept.append(block)
    return kept


def _name(run: Run) -> str:
    return f"“{run.name}”"


def _state(run: Run) -> str:
    return run.get_status_display().lower()


def _flops(rows: list[Evaluation]) -> float | None:
    return next((row.flops for row in rows if row.flops is not None), None)


def _rows(evaluations: list[Evaluation]) -> list[ModelRow]:
    cells = {(row.mode, row.difficulty): row for row in evaluations}
    modes = sorted({mode for mode, _ in cells}, key=mode_order)
    return [
        ModelRow(mode, mode_label(mode), {level: cells.get((mode, level)) for level in DIFFICULTIES}) for mode in modes
    ]
