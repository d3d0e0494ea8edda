"""The tables of a comparison: each run against the baseline, every two, parts of the positions, seeds together.

In: a comparison that is made, its runs by their ids, a difficulty or "" for all, from easy to hard. Out: `PlainTable`s.
CSV and Parquet have all that is known; pages and papers the columns that Compare shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rpt_core.config import DIFFICULTIES
from rpt_core.words import listed
from rpt_web.compare import comparisons
from rpt_web.compare.entries import BasketEntry
from rpt_web.compare.evaluated import evaluations_of
from rpt_web.compare.models import PositionComparison
from rpt_web.exports import PlainColumn, PlainTable, estimate_cells, estimate_columns
from rpt_web.numbers import points, signed_points
from rpt_web.results.caveats import FORMAT_WORDS, LOST_FORMAT
from rpt_web.results.models import Evaluation
from rpt_web.results.queries import mode_label
from rpt_web.runs.attempts import newest_code
from rpt_web.runs.models import Run

BASELINE, MATRIX, SLICES, SEEDS = "baseline", "matrix", "parts", "seeds"
SEEDS_COVER = (
    "A difference is taken seed by seed, at the positions that both models of a seed have. Student's t over the seeds "
    "covers the noise of training; the hierarchical bootstrap draws seeds, and within each its documents, and is too "
    "narrow with few seeds. One seed has no interval of training."
)
_PAIRED = "Each run and the baseline are compared at the positions that both were evaluated at."
_INTERVALS = "95\u00a0% intervals cover the choice of positions, not what another seed of the training would give."
_LOST = (
    "A run that lost the response format leaves the box out in most of its responses, and a missing answer counts as "
    "wrong: its accuracy says nothing about how well it reasons."
)


def _named(row: PositionComparison, runs: Mapping[int, Run], place: int) -> str:
    run, step, mode = row.entries[place]
    return f"{runs[run].name} ({run}), step {step}" + (f", {mode_label(mode)}" if len(row.modes) > 1 else "")


def _table(
    row: PositionComparison,
    runs: Mapping[int, Run],
    name: str,
    title: str,
    columns: Any,
    rows: Any,
    caption: str,
    most: int | None = None,
) -> PlainTable:
    """most: evaluations, with more of which the table is left empty."""
    came_from = [
        ("run", f"{run}, {runs[run].name}, step {step}, {mode}, code {newest_code(runs[run])}")
        for run, step, mode in row.entries
    ]
    caption = f"{_measured(row)} {caption}"
    if most is not None and len(row.entries) > most:
        caption += f" Left empty for {len(row.entries)} evaluations: it is computed for up to {most}. Compare fewer."
    return PlainTable(f"comparison-{row.pk}-{name}", title, columns, rows, caption, came_from)


def _measured(row: PositionComparison) -> str:
    """In which mode, as a sentence."""
    labels = [mode_label(mode) for mode in row.modes]
    return f"Mode: {labels[0]}." if len(labels) == 1 else f"Modes: {listed(labels)}, as each run's name says."


def _levels(row: PositionComparison, level: str) -> list[str]:
    """The difficulty that is asked for, or all, from easy to hard."""
    had = row.data["levels"]
    return [name for name in sorted(had, key=DIFFICULTIES.index) if level in ("", name)]


def _difficulty(level: str) -> PlainColumn:
    """Where all rows are of one difficulty, the title says which."""
    return PlainColumn("difficulty", "Difficulty", in_files_only=bool(level))


def _titled(title: str, level: str) -> str:
    return f"{title}, {level} positions" if level else title


def with_baseline(row: PositionComparison, runs: Mapping[int, Run], level: str = "") -> PlainTable:
    """Each run against the baseline."""
    evaluated = evaluations_of(row)
    rows = [
        {"run": _named(row, runs, place), "difficulty": name}
        | _accuracy_cells(levels[name])
        | (_difference_cells(row.data["with_baseline"][place - 1]["levels"].get(name)) if place else {})
        | _evaluation_cells(evaluated[place].get(name))
        for place, levels in enumerate(row.data["accuracies"])
        for name in _levels(row, level)
        if name in levels
    ]
    is_flagged = any(one.get("validity") for one in rows)
    sentences = [_PAIRED, "Difference: the run's accuracy minus the baseline's.", _INTERVALS, *([_LOST] * is_flagged)]
    columns = _baseline_columns(level, is_flagged)
    title = _titled("Each run against the baseline", level)
    return _table(row, runs, BASELINE, title, columns, rows, " ".join(sentences))


def _baseline_columns(level: str, is_flagged: bool) -> tuple[PlainColumn, ...]:
    return (
        PlainColumn("run", "Run"),
        _difficulty(level),
        *estimate_columns("accuracy", "Accuracy"),
        PlainColumn("design_effect", "Design effect of documents", "number", in_files_only=True),
        *estimate_columns("difference", "Difference from the baseline", "difference"),
        PlainColumn("document_low", "Difference, documents resampled, low", "difference", in_files_only=True),
        PlainColumn("document_high", "Difference, documents resampled, high", "difference", in_files_only=True),
        PlainColumn("p", "p", "number", in_files_only=True),
        PlainColumn("holm", "p, Holm", "number"),
        *(PlainColumn(name, name.capitalize(), "count") for name in ("gained", "forgotten")),
        *(PlainColumn(name, name.capitalize(), "count", in_files_only=True) for name in ("both", "neither")),
        PlainColumn("flops", "Training FLOPs", "flops", in_files_only=not level),
        PlainColumn("no_box", "Responses without a box", "share", in_files_only=True),
        PlainColumn("validity", "Validity", in_files_only=not is_flagged),
    )


def _evaluation_cells(one: Evaluation | None) -> dict[str, Any]:
    """What the comparison itself does not hold."""
    if one is None:
        return {}
    is_lost = one.no_box is not None and one.no_box > LOST_FORMAT
    validity = f"{FORMAT_WORDS} ({points(one.no_box)}\u00a0% without a box)" if is_lost else None
    return {"flops": one.flops, "no_box": one.no_box, "validity": validity}


def _accuracy_cells(one: Mapping[str, Any]) -> dict[str, Any]:
    cells = estimate_cells("accuracy", one["value"], one["low"], one["high"], one["n"])
    return cells | {"design_effect": one["effect"]}


def _difference_cells(one: Mapping[str, Any] | None) -> dict[str, Any]:
    if one is None:
        return {}
    names = ("document_low", "document_high", "p", "holm", "both", "gained", "forgotten", "neither")
    cells = estimate_cells("difference", one["value"], one["low"], one["high"], one["n"])
    return cells | {name: one[name] for name in names}


def matrix(row: PositionComparison, runs: Mapping[int, Run], level: str = "") -> PlainTable:
    """Every two runs."""
    columns = (
        *(PlainColumn(name, title) for name, title in (("first", "First"), ("second", "Second"))),
        _difficulty(level),
        PlainColumn("n", "Positions", "count"),
        PlainColumn("difference", "Second minus first", "difference"),
        *(PlainColumn(name, title, "number") for name, title in (("p", "p"), ("holm", "p, Holm"))),
    )
    rows = [
        {"first": _named(row, runs, first), "second": _named(row, runs, second), "difficulty": name}
        | {"n": n, "difference": value, "p": p, "holm": holm}
        for name in _levels(row, level)
        for first, second, n, value, p, holm in row.data["matrix"].get(name, ())
    ]
    caption = "Difference: the second run's accuracy minus the first's, at the positions that both were evaluated at."
    title = _titled("All pairs of runs", level)
    return _table(row, runs, MATRIX, title, columns, rows, caption, comparisons.MOST_IN_MATRIX)


def slices(row: PositionComparison, runs: Mapping[int, Run], level: str = "") -> PlainTable:
    """Parts of the positions, each run against the baseline."""
    columns = (
        PlainColumn("run", "Run"),
        _difficulty(level),
        *(PlainColumn(name, name.capitalize()) for name in ("by", "part")),
        *(PlainColumn(name, title, "share") for name, title in (("a", "Baseline"), ("b", "Run"))),
        *estimate_columns("difference", "Difference", "difference"),
        *(PlainColumn(name, name.capitalize(), "count") for name in ("gained", "forgotten")),
    )
    rows = [
        {"run": _named(row, runs, place), "difficulty": name, "by": kind, "part": one["name"]}
        | estimate_cells("difference", one["value"], one["low"], one["high"], one["n"])
        | {key: one[key] for key in ("a", "b", "gained", "forgotten")}
        for place, other in enumerate(row.data["with_baseline"], start=1)
        for name in _levels(row, level)
        for kind, parts in other["slices"].get(name, {}).items()
        for one in parts
    ]
    caption = f"{_PAIRED} Difference: the run's accuracy minus the baseline's. Intervals resample documents."
    title = _titled("Parts of the positions", level)
    return _table(row, runs, SLICES, title, columns, rows, caption, comparisons.MOST_SLICED)


def seeds(row: PositionComparison, runs: Mapping[int, Run], level: str = "") -> PlainTable:
    """Runs that differ in their seed alone as one model, against the first of them; no rows where there are none."""
    columns = (
        PlainColumn("model", "Model"),
        _difficulty(level),
        PlainColumn("seeds", "Seeds", "count"),
        *estimate_columns("accuracy", "Accuracy, mean over seeds"),
        *estimate_columns("difference", "Difference from the first", "difference"),
        PlainColumn("bootstrap_low", "Difference, hierarchical bootstrap, low", "difference", in_files_only=True),
        PlainColumn("bootstrap_high", "Difference, hierarchical bootstrap, high", "difference", in_files_only=True),
        PlainColumn("each", "Difference of each seed (points)"),
        PlainColumn("runs", "Runs"),
    )
    rows = [
        {"model": group["title"], "difficulty": name, "seeds": group["seeds"]}
        | {"runs": ", ".join(_entry(row, place) for place in group["places"])}
        | estimate_cells("accuracy", group["value"], group["low"], group["high"])
        | _seed_difference_cells(group["difference"])
        for name in _levels(row, level)
        for group in row.data["groups"].get(name, ())
    ]
    return _table(row, runs, SEEDS, _titled("Seeds together", level), columns, rows, SEEDS_COVER)


def _entry(row: PositionComparison, place: int) -> str:
    """As an address names it, with its mode where there are several."""
    run, step, mode = row.entries[place]
    return str(BasketEntry(run, step, mode if len(row.modes) > 1 else ""))


def _seed_difference_cells(one: Mapping[str, Any] | None) -> dict[str, Any]:
    if one is None:
        return {}
    cells = estimate_cells("difference", one["value"], one["low"], one["high"], len(one["seeds"]))
    each = ", ".join(map(signed_points, one["each"]))
    return cells | {"bootstrap_low": one["bootstrap_low"], "bootstrap_high": one["bootstrap_high"], "each": each}


TABLES: dict[str, Callable[[PositionComparison, Mapping[int, Run], str], PlainTable]] = {
    BASELINE: with_baseline,
    MATRIX: matrix,
    SLICES: slices,
    SEEDS: seeds,
}
"""Which table -> what makes it."""
