"""The end of a preset's run in text: accuracy by difficulty with intervals, scaling fits, results, tables, seconds.

In: a preset and the folder of its runs, whose events hold everything that is shown. Out: lines for the terminal.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rpt_core.config import DIFFICULTIES
from rpt_core.errors import UserError
from rpt_core.plans.preset import Preset
from rpt_core.run.events import Event, EventType, read_events
from rpt_core.run.folder import RunDir

LOST_FORMAT = "* Most of these responses have no box: the format is lost, and a missing answer counts as wrong."
_MODES = {"standard": "standard (argmax)", "sampled": "reasoning, sampled", "greedy": "reasoning, greedy"}


def report(preset: Preset, folder: Path) -> str:
    """The whole closing text."""
    runs = [(planned.name, list(read_events(RunDir(folder / planned.name).events))) for planned in preset.runs]
    tables = _table_lines(runs, folder)
    blocks = [_accuracy_table(runs), _scaling_lines(runs), _result_lines(runs), tables, _seconds_line(runs)]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def evaluations(events: list[Event]) -> list[Event]:
    """A run's evaluations in order of steps; of two at the same step the newer one counts."""
    newest = {event.data["step"]: event for event in events if event.type == EventType.EVALUATION}
    return [newest[step] for step in sorted(newest)]


def scaling_points(events: list[Event], mode: str, difficulty: str) -> tuple[list[float], list[float], int]:
    """Training compute in FLOPs and accuracy of a run's evaluations after step 0, where compute is not zero, and at how
    many positions at least each was measured (0 without any)."""
    points = [
        (event.data["flops"], event.data["results"][mode][difficulty])
        for event in evaluations(events)
        if event.data["flops"] and event.data["results"].get(mode, {}).get(difficulty, {}).get("n")
    ]
    cells = [cell for _, cell in points]
    fewest = min((cell["n"] for cell in cells), default=0)
    return [flops for flops, _ in points], [cell["value"] for cell in cells], fewest


def seconds(events: list[Event]) -> float:
    """Time from a run's first event to its last, in seconds."""
    return events[-1].time - events[0].time if events else 0.0


def _accuracy_table(runs: list[tuple[str, list[Event]]]) -> list[str]:
    rows = [row for name, events in runs for row in _rows(name, events)]
    if not rows:
        return []
    head = "accuracy in % [95 % interval] of n held-out positions"
    columns = "".join(f"{difficulty:>27}" for difficulty in DIFFICULTIES)
    notes = [LOST_FORMAT] if any("*" in row for row in rows) else []
    return [head, f"{'':40}{columns}", *rows, *notes]


def _rows(name: str, events: list[Event]) -> Iterator[str]:
    """The first and the last evaluation of a run, one line for each mode."""
    found = evaluations(events)
    for event in found[:1] + found[1:][-1:]:
        label = f"{name}, step {event.data['step']}" if len(found) > 1 else name
        for mode, by_difficulty in event.data["results"].items():
            cells = "".join(f"{_cell(by_difficulty.get(difficulty)):>27}" for difficulty in DIFFICULTIES)
            yield f"{label + ': ' + _MODES.get(mode, mode):40}{cells}"


def _cell(share: dict[str, Any] | None) -> str:
    if not share or not share["n"]:
        return "-"
    lost = "*" if (share.get("no_box") or 0.0) > 0.5 else ""
    return f"{100 * share['value']:.1f}{lost} [{100 * share['low']:.1f}, {100 * share['high']:.1f}] n={share['n']}"


def _scaling_lines(runs: list[tuple[str, list[Event]]]) -> list[str]:
    """P(C) = A / C^alpha + P* of every run that was evaluated often enough (Eq. 5 of the paper)."""
    curves = [
        (f"{name}, {difficulty}", scaling_points(events, "sampled", difficulty))
        for name, events in runs
        for difficulty in DIFFICULTIES
    ]
    return [f"{label}: {_fit(*points)}" for label, points in curves if len(points[0]) >= 4]


def _fit(compute: list[float], accuracy: list[float], positions: int) -> str:
    from rpt_core.analysis.scaling import fit_power_law

    try:
        fit = fit_power_law(compute, accuracy, positions)
    except UserError as error:
        return str(error)
    law = f"P(C) = {fit.A:.3g} / C^{fit.alpha:.3g} + {fit.p_star:.3g}"
    return f"{law}, R2 {fit.r2:.3f} on {len(compute)} points; {fit.remark()}"


def _result_lines(runs: list[tuple[str, list[Event]]]) -> list[str]:
    results = {
        name: event.data["result"] for name, events in runs for event in events if event.type == EventType.FINISHED
    }
    return [
        f"{name}: " + ", ".join(f"{key} {_short(value)}" for key, value in result.items())
        for name, result in results.items()
    ]


def _table_lines(runs: list[tuple[str, list[Event]]], folder: Path) -> list[str]:
    """Where each finished table stands; a table that was written several times, once."""
    titles = {
        folder / name / event.data["path"]: f"{name}: {event.data['title']}"
        for name, events in runs
        for event in events
        if event.type == EventType.TABLE
    }
    return ["tables", *(f"{title}: {path}" for path, title in titles.items())] if titles else []


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _seconds_line(runs: list[tuple[str, list[Event]]]) -> list[str]:
    parts = [f"{name} {seconds(events):.0f}" for name, events in runs]
    total = sum(seconds(events) for _, events in runs)
    return [f"seconds: {', '.join(parts)}; total {total:.0f} without start-up"]
