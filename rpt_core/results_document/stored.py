"""What the runs of a suite have stored, by name and seed.

In: the folder in which `python -m rpt_core preset` played a suite. Out: each run's evaluations, tables and result, read
from its events. Loads without torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rpt_core.errors import UserError
from rpt_core.files import read_json
from rpt_core.run.copies import split_name
from rpt_core.run.events import Event, EventType, read_events
from rpt_core.run.folder import RunDir

Table = Mapping[str, Any]
"""The data of a `table` event."""


@dataclass(frozen=True)
class StoredRun:
    """One finished run."""

    name: str
    seed: int
    folder: RunDir

    @cached_property
    def events(self) -> list[Event]:
        """All events, oldest first."""
        return list(read_events(self.folder.events))

    @property
    def config(self) -> dict[str, Any]:
        """The frozen config."""
        return read_json(self.folder.config)

    @property
    def seconds(self) -> float:
        """From the first event to the last."""
        return self.events[-1].time - self.events[0].time

    @property
    def ended(self) -> float:
        """When it finished, in seconds since 1970."""
        return self.events[-1].time

    @property
    def flops(self) -> float | None:
        """Training compute of a training stage; None for the others."""
        found: float | None = self._of(EventType.FINISHED)[-1].get("result", {}).get("flops")
        return found

    def result(self, name: str) -> Any:
        """A value of the `finished` event; None when there is none of that name."""
        return self._of(EventType.FINISHED)[-1]["result"].get(name)

    def cell(self, mode: str, difficulty: str, step: int | None = None) -> Mapping[str, Any] | None:
        """An accuracy of the evaluation at a step (of the newest one without a step), with n and interval."""
        found = [data for data in self._of(EventType.EVALUATION) if step is None or data["step"] == step]
        cell = found[-1]["results"].get(mode, {}).get(difficulty) if found else None
        return cell if cell and cell["n"] else None

    def tables(self, prefix: str) -> list[Table]:
        """The newest table of each name that begins so."""
        newest = {data["name"]: data for data in self._of(EventType.TABLE) if data["name"].startswith(prefix)}
        return list(newest.values())

    def _of(self, type_: EventType) -> list[dict[str, Any]]:
        return [event.data for event in self.events if event.type == type_]


class Suite:
    """The runs of a suite: `suite["rpt"]` is one run for each seed, in the order of the seeds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._runs: dict[str, list[StoredRun]] = {}
        for path in sorted(folder.iterdir()):
            seed, name = split_name(path.name)
            if seed is not None and _is_finished(path):
                self._runs.setdefault(name, []).append(StoredRun(name, seed, RunDir(path)))
        for runs in self._runs.values():
            runs.sort(key=lambda run: run.seed)
        if not self._runs:
            raise UserError(_no_suite(folder))

    def __getitem__(self, name: str) -> list[StoredRun]:
        return self._runs.get(name, [])

    @property
    def seeds(self) -> list[int]:
        """All seeds."""
        return sorted({run.seed for runs in self._runs.values() for run in runs})

    @property
    def runs(self) -> list[StoredRun]:
        """All runs."""
        return [run for runs in self._runs.values() for run in runs]


def _no_suite(folder: Path) -> str:
    """Why there is nothing to read in the folder, and how to get a folder that can be read."""
    runs = [path.name for path in sorted(folder.iterdir()) if RunDir(path).config.is_file()]
    needed = "Needed is a folder whose runs are named by seed and name, such as s0-rpt."
    if not runs:
        command = ".venv/bin/python -m rpt_core preset tiny-paper FOLDER"
        return f"{folder} holds no runs. {needed} Play a suite first: {command}"
    if any(split_name(name)[0] is not None for name in runs):
        return f"No run in {folder} has finished. Repeat the command that plays the suite to continue with it."
    if any(name.isdecimal() for name in runs):
        return (
            f"{folder} holds runs by their numbers on the platform, which alone knows their names; its page Results "
            f"shows what they have found. {needed} Link the finished ones so, for example: "
            f"ln -s {(folder / runs[0]).absolute()} FOLDER/s0-rpt"
        )
    return (
        f"The runs in {folder} bear no seeds: {', '.join(runs[:3])}. {needed} Play the preset with --seeds: "
        ".venv/bin/python -m rpt_core preset tiny FOLDER --seeds 0"
    )


def _is_finished(path: Path) -> bool:
    return any(event.type == EventType.FINISHED for event in read_events(RunDir(path).events))
