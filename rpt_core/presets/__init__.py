"""Presets: YAML plans of runs that follow from each other, shipped with the package.

A plan is a list of runs. In a run's config, a text `@NAME/checkpoint` stands for the newest checkpoint folder of the
run NAME, `@NAME/positions` for its positions folder, `@NAME/flops` for the training compute it spent, and `@seed` for
the plan's seed. Whoever starts the runs (shell, demo, browser) resolves them. Loads without torch and numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from typing import Any

import yaml

from rpt_core.config import STAGES, Config, Stage, StageConfig
from rpt_core.errors import UserError

Lookup = Callable[[str, str], str | float]
"""(run name, "checkpoint" | "positions" | "flops") -> its value."""


class PlannedRun(Config):
    """One run of a plan, its references not yet resolved."""

    name: str
    """Name of the run within the plan."""
    stage: Stage
    title: str
    """What the run does, in a few words."""
    config: dict[str, Any]
    """The stage's config with references."""

    def needs(self) -> set[str]:
        """Names of the runs that must have succeeded before this one."""
        return {text[1:].split("/")[0] for text in _references(self.config) if "/" in text}

    def resolve(self, seed: int, lookup: Lookup) -> StageConfig:
        """The validated config with every reference replaced."""
        values = _replace(self.config, seed, lookup)
        return STAGES[self.stage].model_validate({"stage": self.stage, **values})


class Preset(Config):
    """A named plan."""

    name: str
    description: str
    """What it is for, what it needs, how long it takes."""
    runs: tuple[PlannedRun, ...]

    def run(self, name: str) -> PlannedRun:
        """The planned run of that name."""
        return next(run for run in self.runs if run.name == name)


def preset_names() -> list[str]:
    """Names of the presets that are shipped."""
    files = resources.files(__package__).iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


@cache
def load_preset(name: str) -> Preset:
    """Read and validate a preset. Raises UserError when there is none of that name."""
    if name not in preset_names():
        raise UserError(f"There is no preset {name!r}. The presets are: {', '.join(preset_names())}.")
    text = resources.files(__package__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return Preset.model_validate({"name": name, **yaml.safe_load(text)})


def _references(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if value.startswith("@") else []
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return [reference for item in items for reference in _references(item)]


def _replace(value: Any, seed: int, lookup: Lookup) -> Any:
    if isinstance(value, Mapping):
        return {key: _replace(item, seed, lookup) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_replace(item, seed, lookup) for item in value]
    if value == "@seed":
        return seed
    if isinstance(value, str) and value.startswith("@"):
        name, _, what = value[1:].partition("/")
        return lookup(name, what)
    return value
