"""Runs side by side on a terminal: the settings that differ, and what they got right at the same positions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rpt_core.client.words import lines_of

_HEAD = ("run", "positions", "accuracy", "n", "difference", "95 % interval", "p", "p, Holm", "gained", "forgotten")


def settings_lines(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines: the settings that differ, by dotted names."""
    head = [f"{run['id']} {run['name']}" for run in runs]
    return ["Settings that differ", *lines_of(["setting", *head], list(_different(runs)))]


def paired_lines(comparison: Mapping[str, Any], names: Mapping[int, str], asked: Sequence[int]) -> list[str]:
    """Lines: accuracy, and the difference from the first entry at the positions that both have, in points.

    In: a comparison as `Client.compare` has it, names of runs by their ids, the runs that were asked for.
    """
    entries, numbers = comparison["entries"], comparison["numbers"]
    mode = comparison["mode"]
    own = ["" if mode else f", {one['mode']}" for one in entries]
    titles = [
        f"{one['run']} {names[one['run']]}, step {one['step']}{word}" for one, word in zip(entries, own, strict=True)
    ]
    compared = len(entries) - 1
    lines = [f"At the same positions{f', {mode}' if mode else ''}: each against {titles[0]}"]
    for level in numbers["levels"]:
        marked = [title + ("*" * (level in one["lost_format"])) for title, one in zip(titles, entries, strict=True)]
        lines += [*lines_of(_HEAD, list(_rows(level, marked, numbers))), ""]
    lines.append("Differences are in points, at the positions that both have, with paired bootstrap intervals.")
    tests = {one["test"] for pair in numbers["with_baseline"] for one in pair["levels"].values()}
    corrected = f"corrected by Holm for {compared} comparison{'s' if compared != 1 else ''} with the first"
    lines.append(f"p: {', '.join(sorted(tests)) or 'no test'}; {corrected}, at each difficulty.")
    lines += _lost_formats(entries, titles, numbers["levels"])
    if left := [run for run in dict.fromkeys(asked) if run not in {one["run"] for one in entries}]:
        lines.append(f"Left out, without such an evaluation: {', '.join(f'{run} {names[run]}' for run in left)}.")
    return lines


def _lost_formats(entries: Sequence[Mapping[str, Any]], titles: Sequence[str], levels: Sequence[str]) -> Iterator[str]:
    """What a star beside a name means, for each that has one."""
    for title, one in zip(titles, entries, strict=True):
        for level in levels:
            if level in one["lost_format"]:
                yield f"* {title}, {level}: {one['lost_format'][level]}"


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


def _rows(level: str, titles: Sequence[str], numbers: Mapping[str, Any]) -> Iterator[list[Any]]:
    for place, title in enumerate(titles):
        own = numbers["accuracies"][place].get(level)
        against = numbers["with_baseline"][place - 1]["levels"].get(level) if place else None
        accuracy = [None, None] if own is None else [f"{_points(own['value'])}{_interval(own)}", own["n"]]
        yield [title, level, *accuracy, *_difference(against)]


def _difference(found: Mapping[str, Any] | None) -> list[Any]:
    if found is None:
        return [None] * 6
    value = None if found["value"] is None else f"{100 * found['value']:+.1f}"
    interval = _interval(found, "+").strip()
    return [value, interval, _p(found["p"]), _p(found["holm"]), found["gained"], found["forgotten"]]


def _points(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _interval(found: Mapping[str, Any], sign: str = "") -> str:
    if found["low"] is None or found["high"] is None:
        return ""
    return f" [{100 * found['low']:{sign}.1f}, {100 * found['high']:{sign}.1f}]"


def _p(value: float | None) -> str | None:
    if value is None:
        return None
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"
