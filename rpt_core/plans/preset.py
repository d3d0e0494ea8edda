"""Presets: YAML plans of runs that follow from each other, shipped with the package.

A plan is a graph: a list of runs, each after those that it refers to. In a run's config, a text `@NAME/WHAT` stands for
what the run NAME has made (`rpt_core.run.products` lists what there is, for example `@base/checkpoint`), and `@seed`
for the plan's seed. Whoever starts the runs (shell, demo, browser) resolves them. A plan with `seeds` is a suite that
is played once with each seed: `expand` makes one graph of it. Loads without torch and numpy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from rpt_core.config import STAGES, Config, Seed, Stage, StageConfig
from rpt_core.config.messages import in_lines, with_given
from rpt_core.config.reading import TOO_DEEP, refuse_too_deep
from rpt_core.errors import UserError, said
from rpt_core.machine.requirements import Requirements, unmet
from rpt_core.run import products
from rpt_core.run.copies import copy_prefix

__all__ = [
    "Lookup",
    "PlannedRun",
    "Preset",
    "Requirements",
    "Seed",
    "expand",
    "load_preset",
    "missing",
    "placeholder",
    "preset_names",
    "read_plan",
]

Lookup = Callable[[str, str], str | float]
"""(run name, WHAT) -> its value."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_NO_PLAN = (
    "cannot be used as a plan. It must be a YAML file with `description` and `runs`, each run with name, stage, title "
    "and config."
)


class PlannedRun(Config):
    """One run of a plan, its references not yet resolved."""

    name: str
    """Name of the run within the plan."""
    stage: Stage
    title: str
    """What the run does, in a few words."""
    config: dict[str, Any]
    """The stage's config with references."""
    seed: Seed | None = None
    """What `@seed` stands for in this run; empty takes the plan's."""

    def needs(self) -> set[str]:
        """Names of the runs that must have succeeded before this one."""
        return {name for name, _ in self.references()}

    def references(self) -> list[tuple[str, str]]:
        """(run name, WHAT) of every reference, in the order of the config."""
        return [found for text in _texts(self.config) if (found := _reference(text))]

    def resolve(self, seed: int, lookup: Lookup) -> StageConfig:
        """The validated config with every reference replaced; `seed` counts where the run has none of its own."""
        return STAGES[self.stage].model_validate(self.values(seed, lookup))

    def values(self, seed: int, lookup: Lookup) -> dict[str, Any]:
        """The same before it is validated."""
        values = _replace(self.config, _resolved(seed if self.seed is None else self.seed, lookup))
        return {"stage": self.stage, **values}

    def rehearse(self, seed: int) -> StageConfig:
        """The validated config as far as it can be known beforehand: references to paths stay as they are."""
        return self.resolve(seed, placeholder)

    def renamed(self, prefix: str) -> PlannedRun:
        """The run with the prefix before its name and before every name that it refers to."""
        config = _replace(self.config, lambda text: f"@{prefix}{text[1:]}" if _reference(text) else text)
        return self.model_copy(update={"name": prefix + self.name, "config": config})


class Preset(Config):
    """A named plan. Names are unique, and each run comes after those that it refers to."""

    name: str
    description: str
    """What it is for."""
    hardware: str = ""
    """What it is made for, in a few words; `requires` holds what can be tested."""
    time: str = ""
    """How long all of its runs take, and where that was measured."""
    findings: tuple[str, ...] = ()
    """What its results show and what not: a sentence or a few for each point, shown below them."""
    caution: str = ""
    """Why nobody should rely on its numbers, in a sentence; it stands beside them."""
    is_twin: bool = False
    """Whether its tables are small twins of the paper's."""
    requires: Requirements = Requirements()
    """What must be there before it starts."""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] | None = None
    """The seeds that it is played with when none are asked for; empty: once, with one seed."""
    runs: Annotated[tuple[PlannedRun, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _is_graph(self) -> Self:
        known: set[str] = set()
        for run in self.runs:
            _check_place(run, known)
            known.add(run.name)
        return self

    @property
    def run_count(self) -> int:
        """How many runs it makes when it is played with the seeds that it asks for."""
        return len(self.runs) * len(self.seeds or (0,))

    def run(self, name: str) -> PlannedRun:
        """The planned run of that name."""
        return next(run for run in self.runs if run.name == name)


def placeholder(name: str, what: str) -> str | float:
    """What stands for something that a run has yet to make: some number, or the reference itself."""
    return 1e12 if products.is_number(what) else f"@{name}/{what}"


def _shipped() -> Traversable:
    return resources.files(__package__).joinpath("presets")


def preset_names() -> list[str]:
    """Names of the presets that are shipped."""
    files = _shipped().iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


@cache
def load_preset(name: str) -> Preset:
    """Read and validate a preset. Raises UserError when there is none of that name."""
    if name not in preset_names():
        raise UserError(f"There is no preset {name!r}. The presets are: {', '.join(preset_names())}.")
    text = _shipped().joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return Preset.model_validate({"name": name, **yaml.safe_load(text)})


def read_plan(path: Path) -> Preset:
    """A plan of one's own from a YAML file of the same form. Raises UserError when it cannot be used."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        refuse_too_deep(values)
        return Preset.model_validate({"name": path.stem, **values})
    except (RecursionError, UserError):
        raise UserError(f"{path} {_NO_PLAN} {TOO_DEEP}") from None
    except ValidationError as error:
        raise UserError(f"{path} {_NO_PLAN}{in_lines(with_given(error, Preset))}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError) as error:
        raise UserError(f"{path} {_NO_PLAN} It says: {said(error)}.") from None


def expand(preset: Preset, seeds: Sequence[int]) -> Preset:
    """One graph with a copy of the plan for each seed: run `rpt` becomes `s0-rpt`, `s1-rpt`, ..., and each copy refers
    to itself. Raises UserError for no seed, one given twice, or one that the database cannot hold."""
    if not seeds or len(set(seeds)) < len(seeds) or not all(-(2**31) <= seed < 2**31 for seed in seeds):
        shown = ", ".join(map(str, seeds)) or "none"
        raise UserError(f"These seeds cannot be used: {shown}. Give at least one, each once, all within 32 bits.")
    runs = [
        run.renamed(copy_prefix(seed)).model_copy(update={"seed": seed, "title": f"{run.title} (seed {seed})"})
        for seed in seeds
        for run in preset.runs
    ]
    return preset.model_copy(update={"runs": tuple(runs), "seeds": None})


def missing(preset: Preset, named: str | None = None) -> list[str]:
    """Why the preset cannot run here: a sentence for each thing that it needs and that is not there.

    A file counts only if a run names it. named: a text with the paths that one run of it reads; then the files of its
    other runs do not count.
    """
    if named is None:
        named = "\n".join(text for run in preset.runs for text in _texts(run.config))
    paths = tuple(path for path in preset.requires.paths if path in named)
    return unmet(preset.requires.model_copy(update={"paths": paths}))


def _check_place(run: PlannedRun, known: set[str]) -> None:
    """Raises ValueError unless the run can come after those whose names are known."""
    if not _NAME.fullmatch(run.name):
        raise ValueError(f"{run.name!r} cannot be the name of a run: use letters, digits, dots, dashes, underscores")
    if run.name in known:
        raise ValueError(f"two runs are named {run.name!r}; give each a name of its own")
    for name, what in run.references():
        if name not in known:
            before = ", ".join(sorted(known)) or "none"
            raise ValueError(
                f"{run.name!r} refers to {name!r}, which is not a run before it; those before it: {before}"
            )
        try:
            products.parse(what)
        except UserError as error:
            raise ValueError(f"{run.name!r}: {error}") from None


def _reference(text: str) -> tuple[str, str] | None:
    """(run name, WHAT) of a text that refers to a run, else None."""
    if not text.startswith("@") or text == "@seed":
        return None
    name, _, what = text[1:].partition("/")
    return name, what


def _resolved(seed: int, lookup: Lookup) -> Callable[[str], Any]:
    def value(text: str) -> Any:
        if text == "@seed":
            return seed
        found = _reference(text)
        return text if found is None else lookup(*found)

    return value


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return [text for item in items for text in _texts(item)]


def _replace(value: Any, of: Callable[[str], Any]) -> Any:
    """A copy with every text replaced by what the function makes of it."""
    if isinstance(value, Mapping):
        return {key: _replace(item, of) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_replace(item, of) for item in value]
    return of(value) if isinstance(value, str) else value
