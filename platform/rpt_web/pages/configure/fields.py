"""The fields of a config model as form fields, and back: one for each single value, by its dotted name.

In: a pydantic model and a plan's values. Out: `Leaf`s, form fields, and what was typed as pydantic takes it. Plain
values get a text field, choices a list or boxes. What has a form of its own (tables of models, mappings, unions) is
edited as YAML. A part that may be absent is a box to tick above its fields, or YAML when the plan has none.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from django import forms
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from rpt_core.config.reading import TOO_DEEP, refuse_too_deep
from rpt_core.config.reads import Reads, kind_of
from rpt_core.config.sources import source_of
from rpt_core.errors import UserError
from rpt_core.typed_yaml import read_typed
from rpt_web.pages.configure.choice import is_reference
from rpt_web.pages.configure.offered import Shelf, offered_field

LONGEST_YAML = 50_000


class Widget(Enum):
    """How a value is edited."""

    TEXT = auto()
    COMMAS = auto()
    CHOICE = auto()
    BOXES = auto()
    YAML = auto()
    PART = auto()
    """Whether an optional part is there at all; its own fields follow."""


@dataclass(frozen=True)
class Leaf:
    """One value of a config, by its dotted name."""

    name: str
    annotation: Any
    is_optional: bool
    words: str
    widget: Widget
    reads: Reads | None = None
    """What it makes a run read."""
    default: Any = None
    """What it is where nobody says anything; None where that is nothing, or it must be given."""


def leaves(
    model: type[BaseModel], values: Mapping[str, Any], prefix: str = "", given: BaseModel | None = None
) -> Iterator[Leaf]:
    """All single values of a config model, nested ones by dotted names. `values` tell which optional parts exist.

    given: what stands for the model where nobody says anything, which may differ from the model's own defaults.
    """
    for key, info in model.model_fields.items():
        if key == "stage":
            continue
        name, words = f"{prefix}{key}", info.description or ""
        annotation, is_optional = _unwrapped(info.annotation)
        part, default = values.get(key), _default(info, key, given)
        if not _is_model(annotation) or (is_optional and part is None):
            yield Leaf(name, annotation, is_optional, words, _widget(annotation, part), kind_of(info), default)
            continue
        if is_optional:
            yield Leaf(name, annotation, True, words, Widget.PART)
        yield from leaves(annotation, part or {}, f"{name}.", default if isinstance(default, BaseModel) else None)


def _default(info: FieldInfo, key: str, given: BaseModel | None) -> Any:
    if given is not None:
        return getattr(given, key)
    default = info.get_default(call_default_factory=True, validated_data={})
    return None if default is PydanticUndefined else default


def default_words(leaf: Leaf, stage: str) -> str:
    """The default of a setting in a sentence, with where it was published; empty where there is none to tell."""
    is_plain = isinstance(leaf.default, str | int | float) or (
        isinstance(leaf.default, tuple) and all(isinstance(item, str | int | float) for item in leaf.default)
    )
    if not is_plain or leaf.default in ("", ()):
        return ""
    shown = ", ".join(map(written, leaf.default)) if isinstance(leaf.default, tuple) else written(leaf.default)
    source = source_of(stage, leaf.name)
    return f"Default: {shown} ({source})." if source else f"Default: {shown}."


def field(leaf: Leaf, value: Any, label: str, shelf: Shelf | None = None, chosen: str = "") -> forms.Field:
    """The form field of a leaf. A reference to another run is a text whatever the leaf is, beside what is offered.

    chosen: what was chosen in its list so far.
    """
    shared: dict[str, Any] = {"label": label, "help_text": leaf.words, "required": False}
    if shelf and leaf.widget in (Widget.TEXT, Widget.COMMAS):
        several = leaf.widget is Widget.COMMAS
        text = ", ".join(map(written, value)) if several and isinstance(value, list | tuple) else written(value)
        if (listed := shelf.offers(leaf.name, leaf.reads, chosen or text)) is not None:
            more: dict[str, Any] = {"is_optional": leaf.is_optional, "is_several": several, "shared": shared}
            return offered_field(leaf.name, shelf, listed, text, **more)
    if is_reference(value):
        return _text(value, shared)
    if leaf.widget is Widget.CHOICE:
        widget = forms.Select(attrs={"class": "form-select"})
        return forms.ChoiceField(choices=_choices(leaf.annotation), initial=value, widget=widget, **shared)
    if leaf.widget is Widget.BOXES:
        boxes = forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"})
        return forms.MultipleChoiceField(
            choices=_choices(_item(leaf.annotation)), initial=value, widget=boxes, **shared
        )
    if leaf.widget is Widget.PART:
        box = forms.CheckboxInput(attrs={"class": "form-check-input"})
        return forms.BooleanField(initial=True, widget=box, **shared)
    if leaf.widget is Widget.YAML:
        return YamlField(initial=as_yaml(value), **shared | {"help_text": f"{leaf.words} Written as YAML.".strip()})
    if leaf.widget is Widget.COMMAS:
        shared["help_text"] += " Separate them with commas."
        value = ", ".join(map(written, value))
    return _text(written(value), shared, "decimal" if leaf.annotation in (int, float) else "")


def typed_value(leaf: Leaf, typed: Any) -> Any:
    """What was typed as pydantic takes it; an empty field of an optional value is None."""
    if leaf.is_optional and typed in ("", None):
        return None
    if typed is None and get_origin(leaf.annotation) in (tuple, dict):
        return get_origin(leaf.annotation)()
    if leaf.widget is Widget.COMMAS and isinstance(typed, str):
        return [part.strip() for part in typed.split(",") if part.strip()]
    return typed


def written(value: Any) -> str:
    """A value as it is typed."""
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return "" if value is None else str(value)


def differ(leaf: Leaf, before: Any, now: Any) -> bool:
    """Whether two values of a field differ, however they are typed: 0.001 equals 1e-3."""
    return bool(_meant(leaf, before) != _meant(leaf, now))


def as_text(value: Any) -> str:
    """A field's value in a sentence."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value or "")


def _meant(leaf: Leaf, shown: Any) -> Any:
    if leaf.widget is Widget.BOXES:
        return sorted(shown or ())
    if leaf.widget is Widget.PART:
        return bool(shown)
    text = str(shown or "").strip()
    try:
        if leaf.widget is Widget.YAML:
            return YamlField().to_python(text)
        return float(text) if leaf.annotation in (int, float) else typed_value(leaf, text)
    except (ValueError, forms.ValidationError):
        return text


class YamlField(forms.CharField):
    """A text that is read as YAML; without aliases, by which a short text can stand for an endless one."""

    def __init__(self, **more: Any) -> None:
        initial = more.get("initial") or ""
        rows = min(max(initial.count("\n") + 1, 2), 24)
        attrs = {"class": "form-control mono", "rows": rows, "spellcheck": "false", "autocomplete": "off"}
        super().__init__(widget=forms.Textarea(attrs=attrs), max_length=LONGEST_YAML, strip=False, **more)

    def to_python(self, value: Any) -> Any:
        """The value; None for an empty text. Raises ValidationError that says where it stops being YAML."""
        text = str(value or "")
        if len(text) > LONGEST_YAML:
            raise forms.ValidationError(f"Give at most {LONGEST_YAML:,} characters.")
        try:
            found = read_typed(text)
            refuse_too_deep(found)
        except yaml.YAMLError as error:
            raise forms.ValidationError(yaml_problem(error)) from None
        except (RecursionError, UserError):
            raise forms.ValidationError(TOO_DEEP) from None
        return found

    def run_validators(self, value: Any) -> None:
        """Those of a text do not fit what was read."""


def yaml_problem(error: yaml.YAMLError) -> str:
    """What is wrong with a text that is no YAML, and where."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    place = f" Look at line {mark.line + 1}, column {mark.column + 1}: {problem}." if mark and problem else ""
    return f"This is not valid YAML.{place}"


def as_yaml(value: Any) -> str:
    """A value as it is typed where it is written as YAML."""
    if value in (None, [], {}):
        return ""
    if isinstance(value, str):
        return value
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100, default_flow_style=False).strip()


def _text(value: Any, shared: dict[str, Any], keyboard: str = "") -> forms.Field:
    more = {"inputmode": keyboard} if keyboard else {}
    attrs = {"class": "form-control", "autocomplete": "off", "spellcheck": "false", **more}
    return forms.CharField(initial=value, widget=forms.TextInput(attrs=attrs), **shared)


def _widget(annotation: Any, value: Any) -> Widget:
    if get_origin(annotation) is Literal:
        return Widget.CHOICE
    if annotation in (str, int, float):
        return Widget.TEXT
    if get_origin(annotation) is tuple:
        item = _item(annotation)
        if get_origin(item) is Literal:
            return Widget.BOXES
        has_commas = any("," in str(found) for found in value or ())
        return Widget.COMMAS if item in (str, int, float) and not has_commas else Widget.YAML
    return Widget.YAML


def _unwrapped(annotation: Any) -> tuple[Any, bool]:
    """`Annotated[X, ...] | None` -> X, True."""
    if get_origin(annotation) is Annotated:
        return _unwrapped(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        if len(members) == 1:
            return _unwrapped(members[0])[0], True
    return annotation, False


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _choices(annotation: Any) -> list[tuple[str, str]]:
    return [(value, value) for value in get_args(annotation)]


def _item(annotation: Any) -> Any:
    """What a tuple holds."""
    return _unwrapped(get_args(annotation)[0])[0]
