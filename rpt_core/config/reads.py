"""Which fields of a config make a run read something by a name that the user gives, and what kind of thing that is.

In: a config, whole or in its sound parts. Out: each such field with its value. The kind stands in the field's type,
`Annotated[str, Reads.DATA]`, so that whoever decides what may be read finds all fields by walking over the config.
`NAME_FIELDS` lists the texts that are names only; a text field that is neither is a mistake, and a test finds it.
Loads without torch and numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo


class Reads(Enum):
    """What is read by the value of a field."""

    DATA = "data"
    """A file of records or results, or a folder of them."""
    RUN = "run"
    """Something in a run's folder: the folder itself, or its positions."""
    TEMPLATE = "template"
    """A built-in prompt template by its name, or a text file."""
    KEYWORDS = "keywords"
    """A built-in keyword list by its name, or a YAML file."""
    MODEL = "model"
    """The folder of a checkpoint, or the name of a model on a hub."""
    ADDRESS = "address"
    """A server that the worker contacts."""


NAME_FIELDS = frozenset(
    {
        "BenchmarkConfig.listed_questions",
        "BenchmarkConfig.prompt_date",
        "PromptConfig.date",
        "RlvrConfig.prompt_date",
        "TemplatesConfig.prompt_date",
        "TrackersConfig.wandb_project",
        "FieldMapping.answer",
        "FieldMapping.difficulty",
        "FieldMapping.domain",
        "FieldMapping.id",
        "FieldMapping.problem",
        "FieldMapping.solution",
        "FieldMapping.text",
        "QuestionMapping.answer",
        "QuestionMapping.domain",
        "QuestionMapping.id",
        "QuestionMapping.question",
        "QuestionsConfig.listed_questions",
        "BenchmarkConfig.name",
        "ComparisonConfig.name",
        "FrontierConfig.name",
        "HeldOutConfig.listed_positions",
        "HeldOutConfig.position_set",
        "PositionSetConfig.name",
        "ResponsesConfig.model",
        "RewardConfig.custom",
        "ScalingConfig.name",
    }
)
"""Text fields, `Class.field`, that name a part of a record, a heading, or a set. `custom` names code that only
RPT_ALLOW_CUSTOM_REWARDS lets a worker run."""


@dataclass(frozen=True)
class Reading:
    """One value that makes a run read something."""

    field: str
    """Dotted name of the config's field; items of a list have their number after it."""
    value: str
    kind: Reads


def readings(config: BaseModel, prefix: str = "") -> Iterator[Reading]:
    """Every such value of a config; fields that a `sound_part` lacks are passed over."""
    for name, info in type(config).model_fields.items():
        yield from _within(config.__dict__.get(name), kind_of(info), f"{prefix}{name}")


def kind_of(info: FieldInfo) -> Reads | None:
    """What a field makes a run read; None for one that reads nothing."""
    marks = [found for found in info.metadata if isinstance(found, Reads)]
    return next(iter(marks), None) or _mark_in(info.annotation)


def _within(value: Any, kind: Reads | None, field: str) -> Iterator[Reading]:
    if isinstance(value, BaseModel):
        yield from readings(value, f"{field}.")
    elif isinstance(value, str) and kind is not None:
        yield Reading(field, value, kind)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _within(item, kind, f"{field}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _within(item, kind, f"{field}.{index}")


def _mark_in(annotation: Any) -> Reads | None:
    """The mark within types such as `Annotated[str, Reads.RUN] | None` and `tuple[Annotated[str, Reads.DATA], ...]`."""
    if get_origin(annotation) is Annotated:
        marks = [found for found in annotation.__metadata__ if isinstance(found, Reads)]
        if marks:
            return marks[0]
    return next(filter(None, map(_mark_in, get_args(annotation))), None)
