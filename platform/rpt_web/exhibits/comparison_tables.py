"""The tables of a comparison: each run against the baseline, every two, parts of the positions, seeds together.

In: a comparison that is made, its runs by their ids. Out: `PlainTable`s at all difficulties.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from rpt_core.words import listed
from rpt_web.compare import comparisons
from rpt_web.compare.entries import BasketEntry
from rpt_web.compare.models import PositionComparison
from rpt_web.exports import PlainColumn, PlainTable, estimate_cells, estimate_columns
from rpt_web.numbers import signed_points
from rpt_web.results.queries import mode_label
from rpt_web.runs.attempts import newest_code
from rpt_web.runs.models import Run

BASELINE, MATRIX, SLICES, SEEDS = "baseline", "matrix", "parts", "seeds"
SEEDS_COVER = (
    "A difference is taken seed by seed, at the positions that both models of a seed have. Student's t over the seeds "
    "covers the noise of training; the hierarchical bootstrap draws seeds, and within each its documents, and is too "
    "narrow with few seeds. One seed has no interval of training."
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
    most: int | None = None,
) -> PlainTable:
    """most: evaluations, with more of which the table is left empty."""
    came_from = [
        ("run", f"{run}, {runs[run].name}, step {step}, {mode}, code {newest_code(runs[run])}")
        for run, step, mode in row.entries
    ]
    caption = f"{_modes(row)}; the same positions for both of each two. Difference: the second minus the first."
    if most is not None and len(row.entries) > most:
        caption += f" Left empty for {len(row.entries)} evaluations: it is computed for up to {most}. Compare fewer."
    return PlainTable(f"comparison-{row.pk}-{name}", title, columns, rows, caption, came_from)


def _modes(row: PositionComparison) -> str:
    names = [mode_label(mode) for mode in row.modes]
    return f"Mode: {names[0]}" if len(names) == 1 else f"Modes: {listed(names)}, as each run's name says"


def with_baseline(row: PositionComparison, runs: Mapping[int, Run]) -> PlainTable:
    """Each run against the baseline, at every difficulty."""
    columns = (
        *(PlainColumn(name, title) for name, title in (("run", "Run"), ("difficulty", "Difficulty"))),
        *estimate_columns("accuracy", "Accuracy"),
        PlainColumn("design_effect", "Design effect of documents", "number"),
        *estimate_columns("difference", "Difference from the baseline", "difference"),
        PlainColumn("document_low", "Difference, documents resampled, low", "difference"),
        PlainColumn("document_high", "Difference, documents resampled, high", "difference"),
        *(PlainColumn(name, title, "number") for name, title in (("p", "p"), ("holm", "p, Holm"))),
        *(PlainColumn(name, name.capitalize(), "count") for name in ("both", "gained", "forgotten", "neither")),
    )
    rows = [
        {"run": _named(row, runs, place), "difficulty": level}
        | _accuracy_cells(one)
        | (_difference_cells(row.data["with_baseline"][place - 1]["levels"].get(level)) if place else {})
        for place, levels in enumerate(row.data["accuracies"])
        for level, one in levels.items()
    ]
    return _table(row, runs, BASELINE, "Each run against the baseline", columns, rows)


def _accuracy_cells(one: Mapping[str, Any]) -> dict[str, Any]:
    cells = estimate_cells("accuracy", one["value"], one["low"], one["high"], one["n"])
    return cells | {"design_effect": one["effect"]}


def _difference_cells(one: Mapping[str, Any] | None) -> dict[str, Any]:
    if one is None:
        return {}
    names = ("document_low", "document_high", "p", "holm", "both", "gained", "forgotten", "neither")
    cells = estimate_cells("difference", one["value"], one["low"], one["high"], one["n"])
    return cells | {name: one[name] for name in names}


def matrix(row: PositionComparison, runs: Mapping[int, Run]) -> PlainTable:
    """Every two runs, at every difficulty."""
    columns = (
        *(PlainColumn(name, title) for name, title in (("first", "First"), ("second", "Second"))),
        PlainColumn("difficulty", "Difficulty"),
        PlainColumn("n", "Positions", "count"),
        PlainColumn("difference", "Second minus first", "difference"),
        *(PlainColumn(name, title, "number") for name, title in (("p", "p"), ("holm", "p, Holm"))),
    )
    rows = [
        {"first": _named(row, runs, first), "second": _named(row, runs, second), "difficulty": level}
        | {"n": n, "difference": value, "p": p, "holm": holm}
        for level, cells in row.data["matrix"].items()
        for first, second, n, value, p, holm in cells
    ]
    return _table(row, runs, MATRIX, "All pairs of runs", columns, rows, comparisons.MOST_IN_MATRIX)


def slices(row: PositionComparison, runs: Mapping[int, Run]) -> PlainTable:
    """Parts of the positions, each run against the baseline."""
    columns = (
        *(PlainColumn(name, name.capitalize()) for name in ("run", "difficulty", "by", "part")),
        *(PlainColumn(name, title, "share") for name, title in (("a", "Baseline"), ("b", "Run"))),
        *estimate_columns("difference", "Difference", "difference"),
        *(PlainColumn(name, name.capitalize(), "count") for name in ("gained", "forgotten")),
    )
    rows = [
        {"run": _named(row, runs, place), "difficulty": level, "by": kind, "part": one["name"]}
        | estimate_cells("difference", one["value"], one["low"], one["high"], one["n"])
        | {name: one[name] for name in ("a", "b", "gained", "forgotten")}
        for place, other in enumerate(row.data["with_baseline"], start=1)
        for level, kinds in other["slices"].items()
        for kind, parts in kinds.items()
        for one in parts
    ]
    return _table(row, runs, SLICES, "Parts of the positions", columns, rows, comparisons.MOST_SLICED)


def seeds(row: PositionComparison, runs: Mapping[int, Run]) -> PlainTable:
    """Runs that differ in their seed alone as one model, against the first of them; no rows where there are none."""
    columns = (
        *(PlainColumn(name, title) for name, title in (("model", "Model"), ("difficulty", "Difficulty"))),
        PlainColumn("seeds", "Seeds", "count"),
        *estimate_columns("accuracy", "Accuracy, mean over seeds"),
        *estimate_columns("difference", "Difference from the first", "difference"),
        PlainColumn("bootstrap_low", "Difference, hierarchical bootstrap, low", "difference"),
        PlainColumn("bootstrap_high", "Difference, hierarchical bootstrap, high", "difference"),
        PlainColumn("each", "Difference of each seed (points)"),
        PlainColumn("runs", "Runs"),
    )
    rows = [
        {"model": group["title"], "difficulty": level, "seeds": group["seeds"]}
        | {"runs": ", ".join(_entry(row, place) for place in group["places"])}
        | estimate_cells("accuracy", group["value"], group["low"], group["high"])
        | _seed_difference_cells(group["difference"])
        for level, groups in row.data["groups"].items()
        for group in groups
    ]
    table = _table(row, runs, SEEDS, "Seeds together", columns, rows)
    return replace(table, caption=f"{_modes(row)}. {SEEDS_COVER}")


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


TABLES: dict[str, Callable[[PositionComparison, Mapping[int, Run]], PlainTable]] = {
    BASELINE: with_baseline,
    MATRIX: matrix,
    SLICES: slices,
    SEEDS: seeds,
}
"""Which table -> what makes it."""
