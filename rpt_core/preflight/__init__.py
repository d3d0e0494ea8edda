"""Pre-flight: what a run will need and what would go wrong, before it is queued or a model is loaded.

In: a config, or values that may be none; the hardware. Out: a Report: problems by field, memory, FLOPs, tokens, hours,
disk, and the first prompt as the model will get it. Nothing is trained or sampled, no weight is read.
docs/preflight.md compares the estimates with measured runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from pathlib import Path
from shutil import disk_usage
from typing import Any

from pydantic import ValidationError

from rpt_core.config import STAGES, StageConfig
from rpt_core.config.messages import origins
from rpt_core.config.reading import explain
from rpt_core.config.rules import sound_part, until_a_field_is_missing
from rpt_core.errors import UserError
from rpt_core.machine.hardware import Hardware, hardware
from rpt_core.preflight.checks import Objection, impossible_paths, limits_of, missing_parts, prompts_of
from rpt_core.preflight.cost import Memory, disk_of, memory_of, seconds_of, trains
from rpt_core.preflight.data import Data, FirstPrompt, is_pending, read_data
from rpt_core.preflight.fit import memory_problems
from rpt_core.preflight.model_shape import ModelShape, shape_of, shape_of_scratch
from rpt_core.preflight.work import Work, work_of

SECONDS_OF_A_YEAR = 365.25 * 86400
LATER = "Checks that depend on what is wrong follow once it is fixed, and so do memory, time and the first prompt."


@dataclass(frozen=True)
class Cost:
    """What a run takes, at its limit or typically."""

    flops: float
    """Training compute, as docs/method.md counts it."""
    tokens: float
    """Read, written and learnt from."""
    rollouts: float
    seconds: float
    disk_bytes: float


@dataclass(frozen=True)
class Report:
    """All that pre-flight found out. What is not known yet is None."""

    stage: str
    hardware: Hardware
    problems: list[Objection]
    model: ModelShape | None = None
    memory: Memory | None = None
    typical: Cost | None = None
    most: Cost | None = None
    """With every response at its limit."""
    first_prompt: FirstPrompt | None = None
    pending: bool = False
    """Data or model come from an earlier run that has not ended: the estimate takes the config's limits instead."""
    engine: str = "torch"
    """Who trains."""

    @property
    def errors(self) -> list[Objection]:
        """Problems that would make the run fail."""
        return [problem for problem in self.problems if problem.level == "error"]

    @property
    def notes(self) -> list[str]:
        """What the estimate takes for granted, in sentences."""
        found = []
        if self.errors:
            found.append(LATER)
        if self.typical is not None:
            found.append("The times are for a machine that does nothing else.")
            if not self.hardware.measured:
                found.append("It assumes shares of the device's peak that nobody has measured here yet.")
        if self.typical is not None and self.engine == "verl":
            found.append(
                "Memory is that of one GPU under verl. The rest is the plain loop's, and verl needs more: minutes to "
                "start, compute for groups of equal rewards and for a second pass over all responses."
            )
        if self.pending:
            found.append(
                "Some data comes from an earlier run that has not ended; the config's limits are used instead."
            )
        return found

    def as_json(self) -> dict[str, Any]:
        """Plain data for a page or a script."""
        data = asdict(self) | {"notes": self.notes}
        data["hardware"] = {"name": self.hardware.name, "title": self.hardware.title}
        data["hardware"] |= {"memory_gb": self.hardware.memory_gb, "measured": self.hardware.measured}
        if self.memory is not None:
            data["memory"]["total"] = self.memory.total
        return data


def check_values(stage: str, values: Mapping[str, Any], machine: Hardware, folder: Path | None = None) -> Report:
    """Look at what may be a config: if it is none, at its wrong fields, and at all that the others tell."""
    try:
        return check(STAGES[stage].model_validate(dict(values)), machine, folder)
    except ValidationError as error:
        told = zip_longest(explain(stage, values, error), origins(error), fillvalue=("", ""))
        problems = [Objection(field, words, "error", *origin) for (field, words), origin in told]
    part = sound_part(STAGES[stage], values)
    if impossible := impossible_paths(part):
        return Report(stage, machine, problems + impossible)
    shape = tokenizer = None
    with until_a_field_is_missing():
        shape = _read_model(part, problems)
        tokenizer = _tokenizer(part, problems)
    with until_a_field_is_missing():
        _data(part, tokenizer, problems, _is_gpu(machine))
    return Report(stage, machine, problems + limits_of(part, shape, tokenizer, _is_gpu(machine)))


def check(config: StageConfig, machine: Hardware, folder: Path | None = None) -> Report:
    """Look at a config as far as that is possible now. folder: the run's would be there, so that disk has to do."""
    problems = impossible_paths(config)
    if problems:
        return Report(config.stage, machine, problems)
    shape = _read_model(config, problems)
    tokenizer = _tokenizer(config, problems)
    data = _data(config, tokenizer, problems, _is_gpu(machine))
    problems += limits_of(config, shape, tokenizer, _is_gpu(machine))
    if shape is None or data is None or any(problem.level == "error" for problem in problems):
        return Report(config.stage, machine, problems, shape, pending=is_pending(_model_path(config)[1]))
    report = _estimated(config, machine, shape, data)
    return replace(report, problems=problems + _shortages(config, report, folder))


def _is_gpu(machine: Hardware) -> bool:
    return not machine.name.startswith("cpu")


def _estimated(config: StageConfig, machine: Hardware, shape: ModelShape, data: Data) -> Report:
    most, typical = (work_of(config, shape, data, typical=flag) for flag in (False, True))
    return Report(
        config.stage,
        machine,
        [],
        shape,
        memory_of(config, shape, most, data, machine),
        typical=_estimate(config, machine, shape, data, typical, True),
        most=_estimate(config, machine, shape, data, most, False),
        first_prompt=data.first_prompt,
        pending=not data.is_complete,
        engine=getattr(config, "engine", "torch"),
    )


def _shortages(config: StageConfig, report: Report, folder: Path | None) -> list[Objection]:
    """Warnings where the machine's memory, or the disk that the folder is on, does not hold what the run takes."""
    assert report.memory is not None
    assert report.most is not None
    assert report.model is not None
    found = list(memory_problems(config, report.model, report.memory, report.hardware))
    free = None if folder is None else disk_usage(_existing(folder)).free
    if free is not None and report.most.disk_bytes > free:
        field = "checkpoint_every_steps" if trains(config) else ""
        remedy = "Raise this, limit `keep_checkpoints`, or free some space." if field else "Free some space."
        words = f"The run writes up to {_gb(report.most.disk_bytes)}, and {folder} has {_gb(free)} free here. {remedy}"
        found.append(Objection(field, words, "warning", limit=_gb(free), source="the disk here"))
    return found + _years(report)


def _years(report: Report) -> list[Objection]:
    """A warning where nobody will wait for the run to end."""
    assert report.typical is not None
    years = report.typical.seconds / SECONDS_OF_A_YEAR
    if years < 1:
        return []
    words = f"It would typically take {years:,.1f} years on {report.hardware.title}. Use fewer steps, a smaller model "
    return [Objection("", f"{words}or other hardware.", "warning", limit="a year", source=report.hardware.title)]


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir())


def _gb(size: float) -> str:
    return f"{size / 1e9:.3g} GB" if size < 1e12 else f"{size / 1e9:,.0f} GB"


def _estimate(config: StageConfig, machine: Hardware, shape: ModelShape, data: Data, work: Work, typical: bool) -> Cost:
    return Cost(
        flops=work.training_flops(shape),
        tokens=work.read_tokens + work.generated_tokens + work.trained_tokens,
        rollouts=work.rollouts,
        seconds=seconds_of(config, shape, work, machine),
        disk_bytes=disk_of(config, shape, work, data.prompt_tokens, typical),
    )


def _data(config: Any, tokenizer: Any | None, problems: list[Objection], on_gpu: bool) -> Data | None:
    wrong = missing_parts(config, on_gpu)
    if not any(problem.level == "error" for problem in wrong):
        wrong += prompts_of(config, tokenizer)
    problems += wrong
    if any(problem.level == "error" for problem in wrong):
        return None  # reading on would only say the same again
    try:
        data = read_data(config, tokenizer)
    except UserError as error:
        problems.append(Objection("", str(error)))
        return None
    problems += [Objection("", note, "warning") for note in data.notes]
    return data


def _model_path(config: Any) -> tuple[str, str | None]:
    """Field and value of the model's path; None for a new model."""
    name = "proxy" if config.stage == "filter" else "model"
    model = getattr(config, name, None)
    return f"{name}.path", model.path if model is not None else None


def _read_model(config: Any, problems: list[Objection]) -> ModelShape | None:
    """The model's shape; None for one that is not there yet, or not there at all, which is added to the problems."""
    field, path = _model_path(config)
    if path is None:
        scratch = getattr(config, "scratch", None)
        return None if scratch is None else shape_of_scratch(scratch)
    if is_pending(path):
        return None
    try:
        return shape_of(config.proxy if config.stage == "filter" else config.model)
    except UserError as error:
        problems.append(Objection(field, str(error)))
        return None


def _tokenizer(config: Any, problems: list[Objection]) -> Any | None:
    """The model's tokenizer; None where the model is new, not there yet, or has a problem already."""
    field, path = _model_path(config)
    if path is None or is_pending(path) or any(problem.field == field for problem in problems):
        return None
    from rpt_core.text.tokens import load_tokenizer

    try:
        return load_tokenizer(path)
    except UserError as error:
        problems.append(Objection(field, str(error)))
        return None


__all__ = ["Cost", "Hardware", "Memory", "Objection", "Report", "Work", "check", "check_values", "hardware"]
