"""A basket's entries with their runs: what each is called and how its line looks.

In: entries, their runs. Out: `PlacedEntry`s. Colours follow the place in the basket, so that a run has the same one on
every chart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rpt_web.compare.entries import BasketEntry
from rpt_web.results.queries import mode_label
from rpt_web.runs.models import Run
from rpt_web.runs.same_names import marks

COLOURS = 6
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


@dataclass(frozen=True)
class PlacedEntry:
    """One entry of the basket with its run."""

    entry: BasketEntry
    run: Run
    place: int
    """From 0; the baseline has 0."""
    label: str
    """The run's name; with its experiment where the basket has several, with its number where another run of these has
    the same names, and with what the entry says of step and mode."""

    @property
    def number(self) -> int:
        """Its place as people count."""
        return self.place + 1

    @property
    def colour(self) -> str:
        """The name of a colour of the theme."""
        return f"series-{self.place % COLOURS + 1}"

    @property
    def dash(self) -> str:
        """The dash pattern of its line: it tells apart runs that share a colour."""
        return DASHES[self.place // COLOURS % len(DASHES)]


def placed_entries(entries: Sequence[BasketEntry], runs: Mapping[int, Run]) -> list[PlacedEntry]:
    """The entries whose runs there are, in their order."""
    found = [entry for entry in entries if entry.run in runs]
    several = len({runs[entry.run].experiment_id for entry in found}) > 1
    names = {entry.run: _name(runs[entry.run], several) for entry in found}
    numbers = marks(names)
    return [
        PlacedEntry(entry, runs[entry.run], place, _label(entry, f"{names[entry.run]}{numbers[entry.run]}"))
        for place, entry in enumerate(found)
    ]


def _name(run: Run, several: bool) -> str:
    return f"{run.name}, {run.experiment.name}" if several else run.name


def _label(entry: BasketEntry, name: str) -> str:
    step = "" if entry.step is None else f", step {entry.step}"
    return f"{name}{step}, {mode_label(entry.mode)}" if entry.mode else f"{name}{step}"
