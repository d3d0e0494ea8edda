"""Runs side by side on a terminal: the settings that differ, and the accuracies of their last evaluations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rpt_core.client.words import lines_of

Cells = Mapping[tuple[str, str], Mapping[str, Any]]


def compared(runs: Sequence[Mapping[str, Any]], evaluations: Sequence[Sequence[Mapping[str, Any]]]) -> list[str]:
    """Lines: what differs, then accuracy in per cent with its interval, held against the first run's."""
    head = [f"{run['id']} {run['name']}" for run in runs]
    lines = ["Settings that differ", *lines_of(["setting", *head], list(_different(runs)))]
    cells = [_last(rows) for rows in evaluations]
    lines += ["", "Accuracy in % with its 95 % interval, at each run's last evaluation"]
    rows = list(_accuracies(cells))
    lines += lines_of(["mode", "positions", *head], rows)
    if rows:
        lines.append(
            "An interval is of the run's own positions. Whether a difference holds, a paired test says: see Compare."
        )
    return lines


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted names."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        inner = isinstance(value, dict) and value
        found |= flat(value, f"{prefix}{name}.") if inner else {f"{prefix}{name}": value}
    return found


def _different(runs: Sequence[Mapping[str, Any]]) -> Iterator[list[Any]]:
    configs = [flat(run["config"]) for run in runs]
    for name in sorted({name for config in configs for name in config}):
        values = [config.get(name, "(not set)") for config in configs]
        if any(value != values[0] for value in values):
            yield [name, *(str(value) for value in values)]


def _last(rows: Sequence[Mapping[str, Any]]) -> Cells:
    step = max((row["step"] for row in rows), default=None)
    return {(row["mode"], row["difficulty"]): row for row in rows if row["step"] == step}


def _accuracies(cells: Sequence[Cells]) -> Iterator[list[Any]]:
    for mode, difficulty in dict.fromkeys(key for each in cells for key in each):
        yield [mode, difficulty, *(_cell(each.get((mode, difficulty))) for each in cells)]


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "-"
    return f"{100 * row['value']:.1f} [{100 * row['low']:.1f}, {100 * row['high']:.1f}] n {row['n']}"
