"""What would go wrong, found before anything is loaded: files that are not there, lengths that do not fit, divisions.

In: a stage's config, the model's shape where it is known. Out: a list of Problem, each with the field to mend. A path
that begins with `@` is what an earlier run of a suite will make, and is left alone. Loads without torch.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rpt_core.config import StageConfig
from rpt_core.config.rules import decidable
from rpt_core.errors import UserError
from rpt_core.preflight.data import is_pending
from rpt_core.preflight.model_shape import ModelShape, shape_of
from rpt_core.prompts import load_template

HIGH_TEMPERATURE = 2.0
SHORT_PROMPT = 32
SHORTEST_BOX = r"\boxed{1}"


@dataclass(frozen=True)
class Problem:
    """Something to mend, or to know."""

    field: str
    """Dotted name of the config's field."""
    message: str
    level: Literal["error", "warning"] = "error"


def problems_of(config: StageConfig, shape: ModelShape | None) -> list[Problem]:
    """All that is wrong with a config, as far as it can be seen without its tokenizer and its data."""
    return missing_parts(config) + limits_of(config, shape)


def missing_parts(config: Any) -> list[Problem]:
    """Files, templates, devices and engines that are named but not here. It may lack fields, see `sound_part`."""
    return decidable((_missing_files, _results, _templates, _device, _engines), config)


def limits_of(config: Any, shape: ModelShape | None, tokenizer: Any | None = None) -> list[Problem]:
    """Numbers that do not fit each other, the model or its tokenizer. The config may lack fields, too."""
    plain = (_evaluations, _dynamic_sampling, _warmup, _tests, _temperatures, _samples, _prompts)
    found = decidable(plain, config)
    if shape is not None:
        found += decidable((_lengths,), config, shape)
    return found if tokenizer is None else found + decidable((_boxes,), config, tokenizer)


def refuse_if_failing(config: StageConfig) -> None:
    """Raise UserError with all that would make a run fail, before anything is loaded; called as a stage starts."""
    shape, failing = None, []
    try:
        shape = _local_shape(config)
    except UserError as error:
        failing.append(str(error))
    failing += [f"`{found.field}`: {found.message}" for found in problems_of(config, shape) if found.level == "error"]
    if failing:
        raise UserError(" ".join(failing))


def _local_shape(config: Any) -> ModelShape | None:
    """The shape of a model that lies in a folder here; one on a hub is left to whoever loads it."""
    model = getattr(config, "model", None) or getattr(config, "proxy", None)
    if model is None:
        return None
    is_folder = model.path.startswith((".", "/")) or (Path(model.path) / "config.json").is_file()
    return shape_of(model) if is_folder else None


def _missing_files(config: Any) -> Iterator[Problem]:
    for name, value, must_be in _paths(config):
        if is_pending(value):
            continue
        path = Path(value)
        exists = path.is_dir() if must_be == "folder" else path.exists()
        if not exists:
            hint = "Name the folder of a finished run." if must_be == "folder" else "Correct the path."
            yield Problem(name, f"{value} does not exist. {hint}")


def _paths(config: Any) -> Iterator[tuple[str, str, Literal["file", "folder"]]]:
    """Fields that name files or folders, with their values."""
    for part in ("corpus", "replay", "questions"):
        section = getattr(config, part, None)
        if getattr(section, "source", None) == "files":
            yield from ((f"{part}.paths", path, "file") for path in getattr(section, "paths", ()))
    if config.stage == "benchmark":
        yield from (("paths", path, "file") for path in getattr(config, "paths", ()))
    if config.stage == "analyse":
        yield from ((f"scaling.{index}.run", item.run, "folder") for index, item in enumerate(config.scaling))
    for name, must_be in _SINGLE.items():
        value = _at(config, name)
        if isinstance(value, str):
            yield name, value, must_be


_SINGLE: dict[str, Literal["file", "folder"]] = {
    "positions": "folder",
    "evaluation.positions": "folder",
    "held_out.positions": "folder",
    "traces.path": "file",
    "traces.positions": "folder",
    "position_list": "file",
    "budget.flops_of": "folder",
}


def _results(config: Any) -> Iterator[Problem]:
    """Stored results that stage `analyse` could not read; its own readers say why."""
    if config.stage != "analyse":
        return
    for read, field, path in _analysed(config):
        try:
            if not is_pending(path):
                read(Path(path))
        except UserError as error:
            yield Problem(field, str(error))


def _analysed(config: Any) -> Iterator[tuple[Callable[[Path], object], str, str]]:
    """What reads a file, the field that names it, and its path."""
    from rpt_core.analysis.pattern_tables import rows_in
    from rpt_core.outcomes import read_outcomes

    for index, comparison in enumerate(config.comparisons):
        yield read_outcomes, f"comparisons.{index}.a", comparison.a
        yield read_outcomes, f"comparisons.{index}.b", comparison.b
    for index, frontier in enumerate(config.frontiers):
        yield read_outcomes, f"frontiers.{index}.outcomes", frontier.outcomes
    responses = config.patterns.responses if config.patterns is not None else ()
    yield from ((rows_in, f"patterns.responses.{n}", path) for n, of in enumerate(responses) for path in of.shards)


def _templates(config: Any) -> Iterator[Problem]:
    names = {
        "prompt.template": _at(config, "prompt.template"),
        "template": getattr(config, "template", None),
        **{f"templates.{index}": name for index, name in enumerate(getattr(config, "templates", ()))},
    }
    for field, name in names.items():
        if name is None:
            continue
        try:
            load_template(name)
        except UserError as error:
            yield Problem(field, str(error))


def _device(config: Any) -> Iterator[Problem]:
    for part in ("model", "proxy"):
        model = getattr(config, part, None)
        if getattr(model, "device", None) == "cuda" and not has_gpu():
            yield Problem(f"{part}.device", "There is no NVIDIA GPU on this machine. Use auto or cpu, or another one.")


def _engines(config: Any) -> Iterator[Problem]:
    """A warning only: another node may take the run, and a Ray cluster has its own verl."""
    for field, engine in (("engine", "verl"), ("rollout_backend", "vllm")):
        if getattr(config, field, None) == engine and importlib.util.find_spec(engine) is None:
            yield Problem(
                field,
                f"{engine} is not installed in the environment that checks this, so a worker of another one, or of "
                "another machine, must take the run; the page Nodes shows who has it. Choose its hardware for the "
                "estimates.",
                "warning",
            )


def has_gpu() -> bool:
    """Whether the NVIDIA driver sees a GPU; without loading torch."""
    gpus = Path("/proc/driver/nvidia/gpus")
    return gpus.is_dir() and any(gpus.iterdir())


def _evaluations(config: Any) -> Iterator[Problem]:
    if getattr(config, "evaluation", None) is not None and not getattr(config, "evaluate_at_steps", (0,)):
        words = "This names no step, so that nothing is evaluated while training."
        yield Problem("evaluate_at_steps", words, "warning")


def _dynamic_sampling(config: Any) -> Iterator[Problem]:
    from_step = _at(config, "dynamic_sampling.from_step")
    if from_step is not None and from_step > config.steps:
        words = f"Training ends before, at step {config.steps}, so that no step does it."
        yield Problem("dynamic_sampling.from_step", words, "warning")


def _warmup(config: Any) -> Iterator[Problem]:
    steps = _at(config, "steps" if config.stage == "rpt" else "budget.steps")
    warmup = _at(config, "optimiser.warmup_steps")
    if steps is not None and warmup is not None and warmup > steps:
        words = f"Training ends at step {steps}, so that the learning rate never reaches its peak."
        yield Problem("optimiser.warmup_steps", words, "warning")


def _tests(config: Any) -> Iterator[Problem]:
    every, epochs = getattr(config, "test_every_epochs", None), _at(config, "budget.epochs")
    if every is not None and epochs is not None and every >= epochs:
        words = f"Training ends after {epochs:g} epochs, so that it is tested before and after, and not in between."
        yield Problem("test_every_epochs", words, "warning")


def _temperatures(config: Any) -> Iterator[Problem]:
    for name in ("sampling", "test_sampling"):
        temperature = _at(config, f"{name}.temperature")
        if temperature is not None and temperature > HIGH_TEMPERATURE:
            words = f"Above {HIGH_TEMPERATURE:g} nearly any token may come. 0.6 to 1 is usual."
            yield Problem(f"{name}.temperature", words, "warning")


def _samples(config: Any) -> Iterator[Problem]:
    for name in ("samples", "evaluation.samples"):
        if (_at(config, name) or 1) > 1 and config.sampling.temperature == 0:
            words = "At `sampling.temperature` 0 all samples of a position are equal. 1 is enough."
            yield Problem(name, words, "warning")


def _prompts(config: Any) -> Iterator[Problem]:
    for name in ("prompt.max_prompt_tokens", "max_prompt_tokens"):
        limit = _at(config, name)
        if limit is not None and limit < SHORT_PROMPT:
            words = (
                f"{limit} tokens hold the template and a few words at most, and a model can predict little from these."
            )
            yield Problem(name, words, "warning")


def _lengths(config: Any, shape: ModelShape) -> Iterator[Problem]:
    """Prompt and response together must fit the model's context."""
    if shape.max_positions is None:
        return
    prompt = _at(config, "prompt.max_prompt_tokens") or getattr(config, "max_prompt_tokens", None)
    for name in ("sampling", "test_sampling"):
        response = _at(config, f"{name}.max_response_tokens")
        if prompt is None or response is None:
            continue
        longest = prompt + response
        if longest > shape.max_positions:
            yield Problem(
                f"{name}.max_response_tokens",
                f"A prompt of {prompt} and a response of {response} tokens are {longest}, but the model takes "
                f"{shape.max_positions}. Lower one of the two limits, or take another model.",
            )


def _boxes(config: Any, tokenizer: Any) -> Iterator[Problem]:
    from rpt_core.tokens import encode

    shortest = len(encode(tokenizer, SHORTEST_BOX))
    for name in ("sampling", "test_sampling"):
        limit = _at(config, f"{name}.max_response_tokens")
        if limit is not None and limit < shortest:
            yield Problem(
                f"{name}.max_response_tokens",
                f"Even the shortest answer, {SHORTEST_BOX}, takes {shortest} tokens of this model, so that no response "
                "could be right. Give more, with room for thoughts.",
            )


def _at(config: Any, name: str) -> Any:
    """A nested value by its dotted name; None where there is none."""
    for part in name.split("."):
        config = getattr(config, part, None)
    return config
