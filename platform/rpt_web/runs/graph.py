"""What needs what among runs, laid out in columns from left to right, for a figure that the server draws.

In: names with what each needs, and how they are getting on. Out: boxes and lines with their places. A run stands in the
column after the last of those that it needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rpt_core.plans.preset import Preset

MOST_RUNS = 80
"""A figure of more runs is no figure any more."""
WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 168, 30, 46, 10, 4
LONGEST_LABEL = 22
"""Characters that fit into a box."""


@dataclass(frozen=True)
class Step:
    """A run of a plan, or of an experiment."""

    name: str
    needs: Sequence[str]
    stage: str
    state: str = ""
    """Empty before it is submitted."""
    run_id: int | None = None


@dataclass(frozen=True)
class Box:
    """A run and where it stands."""

    step: Step
    x: int
    y: int

    @property
    def label(self) -> str:
        """Its name, cut to fit."""
        name = self.step.name
        return name if len(name) <= LONGEST_LABEL else f"{name[: LONGEST_LABEL - 1]}…"

    @property
    def words(self) -> str:
        """All that is known of it, for the pointer that rests on it."""
        return ", ".join(filter(None, [self.step.name, f"stage {self.step.stage}", self.step.state]))

    @property
    def middle_x(self) -> int:
        """Of its text."""
        return self.x + WIDTH // 2

    @property
    def middle_y(self) -> int:
        """Where lines meet it."""
        return self.y + HEIGHT // 2


@dataclass(frozen=True)
class Graph:
    """A figure."""

    boxes: Sequence[Box]
    lines: Sequence[str]
    """Paths of SVG, from what is needed to what needs it; what follows from other lines has none."""
    width: int
    height: int
    box_width: int = WIDTH
    box_height: int = HEIGHT


def steps_of(plan: Preset) -> list[Step]:
    """The runs of a plan, before it is submitted."""
    return [Step(run.name, sorted(run.needs()), run.stage) for run in plan.runs]


def graph_of(steps: Sequence[Step]) -> Graph | None:
    """The figure; None where nothing needs anything, or there are too many runs for one."""
    if len(steps) > MOST_RUNS or not any(step.needs for step in steps):
        return None
    columns = _columns(steps)
    boxes = {
        step.name: Box(step, MARGIN + column * (WIDTH + GAP_X), MARGIN + row * (HEIGHT + GAP_Y))
        for column, found in enumerate(columns)
        for row, step in enumerate(found)
    }
    above = _all_needs(steps)
    lines = [
        _line(boxes[need], box)
        for box in boxes.values()
        for need in box.step.needs
        if need in boxes and not any(need in above.get(other, ()) for other in box.step.needs)
    ]
    rows = max(len(found) for found in columns)
    width = 2 * MARGIN + len(columns) * (WIDTH + GAP_X) - GAP_X
    return Graph(list(boxes.values()), lines, width, 2 * MARGIN + rows * (HEIGHT + GAP_Y) - GAP_Y)


def _all_needs(steps: Sequence[Step]) -> dict[str, set[str]]:
    """Of each run, all that it needs, itself or by way of others."""
    found: dict[str, set[str]] = {}
    for step in _needed_first(steps, {step.name: step for step in steps}):
        found[step.name] = set(step.needs).union(*(found.get(need, set()) for need in step.needs))
    return found


def _columns(steps: Sequence[Step]) -> list[list[Step]]:
    """The runs by their column, in each near what they need."""
    by_name = {step.name: step for step in steps}
    depth: dict[str, int] = {}
    for step in _needed_first(steps, by_name):
        depth[step.name] = max((depth[need] + 1 for need in step.needs if need in depth), default=0)
    columns: list[list[Step]] = [[] for _ in range(max(depth.values()) + 1)]
    for step in steps:
        columns[depth[step.name]].append(step)
    place: dict[str, float] = {}
    for found in columns:
        means = {step.name: _mean(place[need] for need in step.needs if need in place) for step in found}
        found.sort(key=lambda step: means[step.name])
        place |= {step.name: row for row, step in enumerate(found)}
    return columns


def _needed_first(steps: Sequence[Step], by_name: dict[str, Step]) -> Iterable[Step]:
    seen: dict[str, None] = {}

    def visit(step: Step, above: frozenset[str]) -> None:
        if step.name in seen or step.name in above:
            return
        for need in step.needs:
            if need in by_name:
                visit(by_name[need], above | {step.name})
        seen[step.name] = None

    for step in steps:
        visit(step, frozenset())
    return [by_name[name] for name in seen]


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 0.0


def _line(start: Box, end: Box) -> str:
    x, bend = start.x + WIDTH, GAP_X // 2
    return f"M{x},{start.middle_y} C{x + bend},{start.middle_y} {end.x - bend},{end.middle_y} {end.x},{end.middle_y}"
