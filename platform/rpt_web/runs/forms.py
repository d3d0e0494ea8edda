"""A form for a planned run, its fields generated from the stage's pydantic model.

In: a planned run of a preset, whose references stay as they are, and what the user typed. Out: the planned run with the
typed values. Nothing is checked here: pydantic does that when the run is submitted, and `add_problems` puts its
messages on the fields they belong to.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from django import forms
from pydantic import BaseModel, ValidationError

from rpt_core.config import STAGES
from rpt_core.presets import PlannedRun
from rpt_web.runs.messages import field_messages
from rpt_web.runs.queries import flatten

GIVEN_BY_PLAN = ("stage", "model", "positions", "evaluation.positions")
"""Fields that the plan fills in from earlier runs."""


@dataclass(frozen=True)
class Section:
    """Fields that stand together under a heading."""

    title: str
    words: str
    names: tuple[str, ...]


MAIN_SECTIONS = (
    Section(
        "Training",
        "One step samples a group of responses for each problem and makes one update.",
        ("steps", "batch_problems", "group_size", "optimiser.learning_rate", "seed"),
    ),
    Section(
        "Responses",
        "How the policy thinks before it predicts.",
        ("sampling.temperature", "sampling.max_response_tokens", "prompt.template", "prompt.completion_tokens"),
    ),
    Section(
        "Evaluation and checkpoints",
        "Held-out positions, standard and reasoning, at the steps you name.",
        ("evaluate_at_steps", "evaluation.positions_per_difficulty", "checkpoint_every_steps"),
    ),
)


@dataclass(frozen=True)
class Leaf:
    """One value of a config, by its dotted name."""

    name: str
    annotation: Any
    is_optional: bool
    words: str


class PlannedRunForm(forms.Form):
    """Name, title, and every setting of the run's stage that the plan does not fill in."""

    run_name = forms.CharField(
        label="Name of the run",
        help_text="Short and unique within the experiment.",
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
    )
    run_title = forms.CharField(
        label="Title",
        required=False,
        help_text="What is different about it, for the people who read the list.",
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
    )

    def __init__(self, planned: PlannedRun, name: str, data: Mapping[str, Any] | None = None, *, seed: int = 0) -> None:
        super().__init__(data, initial={"run_name": name, "run_title": planned.title})
        self.plan = planned
        values = dict(flatten(_preview(planned, seed)))
        self.leaves = {leaf.name: leaf for leaf in leaves(STAGES[planned.stage]) if leaf.name in values}
        for leaf in self.leaves.values():
            self.fields[leaf.name] = _field(leaf, values[leaf.name])

    def planned(self) -> PlannedRun:
        """The plan with what was typed. Call it on a valid form."""
        config = deepcopy(self.plan.config)
        for leaf in self.leaves.values():
            _set(config, leaf.name, _value(leaf, self.cleaned_data[leaf.name]))
        name, title = self.cleaned_data["run_name"], self.cleaned_data["run_title"]
        return self.plan.model_copy(update={"name": name, "title": title, "config": config})

    def add_problems(self, error: ValidationError) -> None:
        """Put pydantic's messages on the fields they belong to."""
        for name, words in field_messages(error).items():
            field = self._field_of(name)
            self.add_error(field, words if field or not name else f"{_label(name)}: {words}")

    def sections(self) -> list[tuple[Section, list[forms.BoundField]]]:
        """The main settings, section by section."""
        found = [(part, [self[name] for name in part.names if name in self.fields]) for part in MAIN_SECTIONS]
        return [(part, fields) for part, fields in found if fields]

    def other_fields(self) -> list[forms.BoundField]:
        """All other settings."""
        main = {name for part in MAIN_SECTIONS for name in part.names}
        return [self[name] for name in self.leaves if name not in main]

    def other_errors(self) -> bool:
        """Whether a field among the other settings is wrong, so that they must be shown."""
        return any(field.errors for field in self.other_fields())

    def _field_of(self, name: str) -> str | None:
        """The form's field for a message's name; an item of a list belongs to the list."""
        while name and name not in self.fields:
            name = name.rpartition(".")[0]
        return name or None


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[Leaf]:
    """All single values of a config model, nested ones by dotted names, less those that the plan fills in."""
    for key, info in model.model_fields.items():
        name = f"{prefix}{key}"
        if name in GIVEN_BY_PLAN:
            continue
        annotation, is_optional = _unwrapped(info.annotation)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from leaves(annotation, f"{name}.")
        else:
            yield Leaf(name, annotation, is_optional, info.description or "")


def _preview(planned: PlannedRun, seed: int) -> dict[str, Any]:
    """The config with the plan's values and the model's defaults; references stand for anything."""
    config = planned.resolve(seed, lambda name, what: 1.0 if what == "flops" else f"@{name}/{what}")
    return config.model_dump(mode="json")


def _unwrapped(annotation: Any) -> tuple[Any, bool]:
    """`Annotated[X, ...] | None` -> X, True."""
    if get_origin(annotation) is Annotated:
        return _unwrapped(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        if len(members) == 1:
            return _unwrapped(members[0])[0], True
    return annotation, False


def _choices(annotation: Any) -> list[tuple[str, str]]:
    return [(value, value) for value in get_args(annotation)]


def _item(annotation: Any) -> Any:
    """What a tuple holds, when that is a choice."""
    items = get_args(annotation) if get_origin(annotation) is tuple else ()
    return items[0] if items and get_origin(items[0]) is Literal else None


def _field(leaf: Leaf, value: Any) -> forms.Field:
    shared: dict[str, Any] = {"label": _label(leaf.name), "help_text": leaf.words, "required": False}
    if get_origin(leaf.annotation) is Literal:
        widget = forms.Select(attrs={"class": "form-select"})
        return forms.ChoiceField(choices=_choices(leaf.annotation), initial=value, widget=widget, **shared)
    if (item := _item(leaf.annotation)) is not None:
        boxes = forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"})
        return forms.MultipleChoiceField(choices=_choices(item), initial=value, widget=boxes, **shared)
    if get_origin(leaf.annotation) is tuple:
        shared["help_text"] += " Separate them by commas."
        value = ", ".join(map(_written, value))
    keyboard = {"inputmode": "decimal"} if leaf.annotation in (int, float) else {}
    text = forms.TextInput(attrs={"class": "form-control", "autocomplete": "off", "spellcheck": "false", **keyboard})
    return forms.CharField(initial=_written(value), widget=text, **shared)


def _written(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _value(leaf: Leaf, typed: Any) -> Any:
    """What was typed as pydantic takes it; an empty field of an optional value is None."""
    if leaf.is_optional and typed == "":
        return None
    if get_origin(leaf.annotation) is tuple and isinstance(typed, str):
        return [part.strip() for part in typed.split(",") if part.strip()]
    return typed


def _set(config: dict[str, Any], name: str, value: Any) -> None:
    *parents, last = name.split(".")
    for parent in parents:
        config = config.setdefault(parent, {})
    config[last] = value


def _label(name: str) -> str:
    *parents, last = name.replace("_", " ").split(".")
    words = f"{', '.join(parents)}: {last}" if parents and last in ("batch rows", "seed") else last
    return words[:1].upper() + words[1:]
