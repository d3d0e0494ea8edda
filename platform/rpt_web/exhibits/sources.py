"""What an exhibit came from: its runs, each with its config, its code and the positions that it was measured at.

In: runs. Out: `RunSource`s, and the same as pairs for the metadata of files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rpt_web.runs.attempts import newest_code
from rpt_web.runs.models import Run
from rpt_web.runs.queries import flatten

_POSITIONS = ("position", "held_out", "min_entropy", "proxy", "corpus", "evaluation.seed")
"""Parts of the names of settings that decide which positions are used."""


@dataclass(frozen=True)
class RunSource:
    """One run that an exhibit came from."""

    run: int
    name: str
    stage: str
    code: str
    positions: Sequence[tuple[str, str]]
    """The settings that decide which positions were used, with their values."""
    config: Sequence[tuple[str, str]]
    """All settings, as dotted names."""
    experiment: str = ""
    """What its experiment was called then: anonymous copies leave it out, also after another name or its deletion."""


def source_of(run: Run) -> RunSource:
    """What an exhibit of one run came from."""
    config = [(name, _written(value)) for name, value in flatten(run.config or run.plan)]
    positions = [(name, value) for name, value in config if any(part in name for part in _POSITIONS)]
    return RunSource(run.pk, run.name, run.stage, newest_code(run), positions, config, run.experiment.name)


def sources_of(runs: Iterable[Run]) -> list[RunSource]:
    """Of several runs, each once, by their numbers."""
    return [source_of(run) for _, run in sorted({run.pk: run for run in runs}.items())]


def as_pairs(sources: Sequence[RunSource], ref: str) -> list[tuple[str, str]]:
    """For the metadata of files: the exhibit's ref, and of each run its number and name, code, positions and config."""
    pairs = [("exhibit", ref)]
    for source in sources:
        pairs += [
            ("run", f"{source.run}, {source.name}, stage {source.stage}"),
            (f"code version of run {source.run}", source.code),
            (f"positions of run {source.run}", _joined(source.positions)),
            (f"config of run {source.run}", json.dumps(dict(source.config), ensure_ascii=False)),
        ]
    return pairs


def _joined(pairs: Sequence[tuple[str, str]]) -> str:
    return "; ".join(f"{name} = {value}" for name, value in pairs) or "none named in its config"


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
