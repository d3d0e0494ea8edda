"""What would go wrong, found before anything is loaded: files that are not there, lengths that do not fit, divisions.

In: a stage's config, the model's shape where it is known. Out: Objections, each with the field to correct. A path that
begins with `@` is what an earlier run of a suite will make, and is left alone. Loads without torch.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rpt_core.config import StageConfig
from rpt_core.config.reads import Reads, readings
from rpt_core.config.rules import decidable
from rpt_core.errors import UserError
from rpt_core.models.folder import CONFIG
from rpt_core.preflight.data import is_pending
from rpt_core.preflight.model_shape import ModelShape, shape_of
from rpt_core.preflight.sampling import has_vllm, sampler_problems
from rpt_core.problems.prompts import Template, load_template

HIGH_TEMPERATURE = 2.0
SHORT_PROMPT = 32
LONGEST_PATH, LONGEST_NAME = 4095, 255
"""Bytes of a path and of each part of it, as Linux takes them."""
SHORTEST_BOX = r"\boxed{1}"


@dataclass(frozen=True)
class Objection:
    """Something to correct, or to know."""

    field: str
    """Dotted name of the config's field."""
    message: str
    level: Literal["error", "warning"] = "error"
    limit: str = ""
    """The most that there may be, in a few words; empty where the message is about no number."""
    source: str = ""
    """Where the limit comes from; empty where the message says it."""


def problems_of(config: StageConfig, shape: ModelShape | None) -> list[Objection]:
    """All that is wrong with a config, as far as it can be seen without its tokenizer and its data."""
    return missing_parts(config) + limits_of(config, shape, on_gpu=has_gpu() and has_vllm())


def impossible_paths(config: Any) -> list[Objection]:
    """Names that no file, folder or model can have: there is nothing to look at then."""
    return [
        Objection(reading.field, words)
        for reading in readings(config)
        if reading.kind is not Reads.ADDRESS and (words := _impossible(reading.value))
    ]


def missing_parts(config: Any, on_gpu: bool = False) -> list[Objection]:
    """Files, templates, devices and engines that are named but not here. It may lack fields, see `sound_part`."""
    found = decidable((_missing_files, _results, _templates, _engines), config)
    return found + decidable((_device,), config, on_gpu)


def prompts_of(config: Any, tokenizer: Any | None) -> list[Objection]:
    """What is wrong with the model's chat template, or that it has none. The config may lack fields, too."""
    return [] if tokenizer is None else decidable((_chat_templates, _plain_text), config, tokenizer)


def limits_of(
    config: Any, shape: ModelShape | None, tokenizer: Any | None = None, on_gpu: bool = False
) -> list[Objection]:
    """Numbers that do not fit each other, the model or its tokenizer. The config may lack fields, too.

    on_gpu: the run is meant for a GPU, where `rollout_backend: auto` may be vLLM.
    """
    plain = (_evaluations, _dynamic_sampling, _warmup, _tests, _temperatures, _samples, _prompts)
    found = decidable(plain, config)
    if shape is not None:
        found += decidable((_lengths,), config, shape) + decidable((_sampler,), config, on_gpu)
    return found if tokenizer is None else found + decidable((_boxes,), config, tokenizer)


def refuse_if_failing(config: StageConfig) -> None:
    """Raise UserError with all that would make a run fail, before anything is loaded; called as a stage starts."""
    shape, failing = None, [f"`{found.field}`: {found.message}" for found in impossible_paths(config)]
    if failing:
        raise UserError(" ".join(failing))
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
    is_folder = model.path.startswith((".", "/")) or (Path(model.path) / CONFIG).is_file()
    return shape_of(model) if is_folder else None


def _impossible(value: str) -> str:
    """Why a text can be the name of nothing; empty for one that can."""
    if not value.strip():
        return "The path is empty. Name a file or a folder."
    if "\0" in value:
        return "The path holds a NUL, which no name has. Write it without."
    parts = [len(os.fsencode(part)) for part in value.split("/")]
    if max(parts) > LONGEST_NAME or sum(parts) + len(parts) > LONGEST_PATH:
        shown = f"{value[:40]}…"
        return (
            f"The path {shown!r} is too long. Give at most {LONGEST_PATH} bytes, and at most {LONGEST_NAME} between "
            "two slashes."
        )
    return ""


def _missing_files(config: Any) -> Iterator[Objection]:
    for name, value, must_be in _paths(config):
        if is_pending(value):
            continue
        exists = (
            os.path.isdir if must_be == "folder" else os.path.exists
        )  # these are False for what cannot be looked at
        if not exists(value):
            hint = "Name the folder of a finished run." if must_be == "folder" else "Correct the path."
            yield Objection(name, f"{value} does not exist. {hint}", source="files on this machine")


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


def _results(config: Any) -> Iterator[Objection]:
    """Stored results that stage `analyse` could not read; its own readers say why."""
    if config.stage != "analyse":
        return
    for read, field, path in _analysed(config):
        try:
            if not is_pending(path):
                read(Path(path))
        except UserError as error:
            yield Objection(field, str(error))


def _analysed(config: Any) -> Iterator[tuple[Callable[[Path], object], str, str]]:
    """What reads a file, the field that names it, and its path."""
    from rpt_core.analysis.pattern_tables import rows_in
    from rpt_core.evaluation.outcomes import read_outcomes

    for index, comparison in enumerate(config.comparisons):
        yield read_outcomes, f"comparisons.{index}.a", comparison.a
        yield read_outcomes, f"comparisons.{index}.b", comparison.b
    for index, frontier in enumerate(config.frontiers):
        yield read_outcomes, f"frontiers.{index}.outcomes", frontier.outcomes
    responses = config.patterns.responses if config.patterns is not None else ()
    yield from ((rows_in, f"patterns.responses.{n}", path) for n, of in enumerate(responses) for path in of.shards)


def _named_templates(config: Any) -> Iterator[tuple[str, str]]:
    """Fields that name a prompt template, and the names."""
    names = {
        "prompt.template": _at(config, "prompt.template"),
        "template": getattr(config, "template", None),
        **{f"templates.{index}": name for index, name in enumerate(getattr(config, "templates", ()))},
    }
    return ((field, name) for field, name in names.items() if name is not None)


def _chat_templates(config: Any, tokenizer: Any) -> Iterator[Objection]:
    """One problem is enough: it is the same chat template for all."""
    if config.stage == "sft" and config.traces.source == "file":
        return  # those prompts are rendered already
    from rpt_core.evaluation.choice_prompts import answer_frame
    from rpt_core.problems.chat import MARK, chat_frame

    for field, name in _named_templates(config):
        try:
            template, date = load_template(name), _date_of(config)
            if not template.chat or not tokenizer.chat_template:
                continue
            chat_frame(tokenizer, template.render(MARK), date)
            if config.stage == "benchmark":
                answer_frame(tokenizer, date)
        except UserError as error:
            yield Objection(field, str(error))
            return


def _plain_text(config: Any, tokenizer: Any) -> Iterator[Objection]:
    """One warning is enough, at the first prompt template that is a message."""
    if config.stage == "sft" or (config.stage == "benchmark" and "reasoning" not in config.modes):
        return
    from rpt_core.problems.plain_text import plain_text_problem

    messages = [(field, template) for field, template in _loaded_templates(config) if template.chat]
    words = plain_text_problem([template for _, template in messages], tokenizer)
    if words is not None:
        yield Objection(messages[0][0], words, "warning")


def _loaded_templates(config: Any) -> Iterator[tuple[str, Template]]:
    """Those that can be read; `_templates` says what is wrong with the others."""
    for field, name in _named_templates(config):
        with contextlib.suppress(UserError):
            yield field, load_template(name)


def _date_of(config: Any) -> str:
    """The date of a config's prompts, under either of its names."""
    date: str = config.prompt_date if "prompt_date" in type(config).model_fields else config.prompt.date
    return date


def _templates(config: Any) -> Iterator[Objection]:
    for field, name in _named_templates(config):
        try:
            load_template(name)
        except UserError as error:
            yield Objection(field, str(error))


def _device(config: Any, on_gpu: bool) -> Iterator[Objection]:
    """Only a warning for a run that is meant for a machine with a GPU: it need not be this one."""
    for part in ("model", "proxy"):
        model = getattr(config, part, None)
        if getattr(model, "device", None) != "cuda" or has_gpu():
            continue
        words = "There is no NVIDIA GPU on this machine. "
        if on_gpu:
            yield Objection(f"{part}.device", f"{words}A worker on one that has it must take the run.", "warning")
        else:
            yield Objection(f"{part}.device", f"{words}Use auto or cpu, or another one.")


def _engines(config: Any) -> Iterator[Objection]:
    """A warning only: another node may take the run, and a Ray cluster has its own verl."""
    for field, engine in (("engine", "verl"), ("rollout_backend", "vllm")):
        if getattr(config, field, None) == engine and importlib.util.find_spec(engine) is None:
            yield Objection(
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


def _evaluations(config: Any) -> Iterator[Objection]:
    if getattr(config, "evaluation", None) is not None and not getattr(config, "evaluate_at_steps", (0,)):
        words = "No step is named here, so nothing is evaluated while training."
        yield Objection("evaluate_at_steps", words, "warning")


def _dynamic_sampling(config: Any) -> Iterator[Objection]:
    from_step = _at(config, "dynamic_sampling.from_step")
    if from_step is not None and from_step > config.steps:
        words = f"Training ends earlier, at step {config.steps}, so no step does it."
        yield Objection("dynamic_sampling.from_step", words, "warning")


def _warmup(config: Any) -> Iterator[Objection]:
    steps = _at(config, "steps" if config.stage == "rpt" else "budget.steps")
    warmup = _at(config, "optimiser.warmup_steps")
    if steps is not None and warmup is not None and warmup > steps:
        words = f"Training ends at step {steps}, so the learning rate never reaches its peak."
        yield Objection("optimiser.warmup_steps", words, "warning")


def _tests(config: Any) -> Iterator[Objection]:
    every, epochs = getattr(config, "test_every_epochs", None), _at(config, "budget.epochs")
    if every is not None and epochs is not None and every >= epochs:
        words = f"Training ends after {epochs:g} epochs, so it is tested before and after, but not in between."
        yield Objection("test_every_epochs", words, "warning")


def _temperatures(config: Any) -> Iterator[Objection]:
    for name in ("sampling", "test_sampling"):
        temperature = _at(config, f"{name}.temperature")
        if temperature is not None and temperature > HIGH_TEMPERATURE:
            words = f"Above {HIGH_TEMPERATURE:g} nearly any token may come. 0.6 to 1 is usual."
            yield Objection(f"{name}.temperature", words, "warning")


def _samples(config: Any) -> Iterator[Objection]:
    for name in ("samples", "evaluation.samples"):
        if (_at(config, name) or 1) > 1 and config.sampling.temperature == 0:
            words = "At `sampling.temperature` 0 all samples of a position are equal. 1 is enough."
            yield Objection(name, words, "warning")


def _prompts(config: Any) -> Iterator[Objection]:
    for name in ("prompt.max_prompt_tokens", "max_prompt_tokens"):
        limit = _at(config, name)
        if limit is not None and limit < SHORT_PROMPT:
            words = (
                f"{limit} tokens hold the template and a few words at most, and a model can predict little from these."
            )
            yield Objection(name, words, "warning")


def _lengths(config: Any, shape: ModelShape) -> Iterator[Objection]:
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
            yield Objection(
                f"{name}.max_response_tokens",
                f"A prompt of {prompt} and a response of {response} tokens are {longest}, but the model takes "
                f"{shape.max_positions}. Lower one of the two limits, or use another model.",
                limit=f"{shape.max_positions:,} tokens",
                source="the model's config",
            )


def _sampler(config: Any, on_gpu: bool) -> Iterator[Objection]:
    """What the sampler would refuse once the model is loaded; only a warning where vLLM may be what samples."""
    backend = getattr(config, "rollout_backend", "auto")
    if not hasattr(config, "model") or config.model is None or getattr(config, "engine", "torch") == "verl":
        return
    if backend == "vllm":
        return
    may_be_vllm = backend == "auto" and config.model.device != "cpu" and on_gpu
    for field, words in sampler_problems(config):
        yield Objection(field, words, "warning" if may_be_vllm else "error")


def _boxes(config: Any, tokenizer: Any) -> Iterator[Objection]:
    from rpt_core.text.tokens import encode

    shortest = len(encode(tokenizer, SHORTEST_BOX))
    for name in ("sampling", "test_sampling"):
        limit = _at(config, f"{name}.max_response_tokens")
        if limit is not None and limit < shortest:
            yield Objection(
                f"{name}.max_response_tokens",
                f"Even the shortest answer, {SHORTEST_BOX}, takes {shortest} tokens of this model, so no response "
                "could be right. Give more, with room for thoughts.",
                limit=f"at least {shortest:,} tokens",
                source="the model's tokenizer",
            )


def _at(config: Any, name: str) -> Any:
    """A nested value by its dotted name; None where there is none."""
    for part in name.split("."):
        config = getattr(config, part, None)
    return config
