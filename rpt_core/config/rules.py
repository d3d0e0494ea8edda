"""What fields must be to each other, told together with what is wrong with each field by itself.

In: a config's model with its `rules`, and values that may be none. Out: pydantic's error with a line for each broken
rule; the part of a config that is sound. pydantic alone looks at a model's rules only once all its fields are right.
Loads without torch and numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from rpt_core.config.limits import ABOVE

Found = TypeVar("Found")
Refusal = tuple[str, str]
"""Dotted name of the field to correct (empty for the whole), and what to do about it."""
Rule = Callable[[Any], Iterator[Refusal]]
"""Looks at a config; it may ask for any field, see `decidable`."""
BROKEN = "broken_rule"
"""pydantic's type of an error that comes from a rule."""


def decidable(checks: Iterable[Callable[..., Iterator[Found]]], *about: Any) -> list[Found]:
    """What the checks find. One that asks for a field which the config lacks ends there: it cannot be decided."""
    found: list[Found] = []
    for check in checks:
        with until_a_field_is_missing():
            found.extend(check(*about))
    return found


@contextmanager
def until_a_field_is_missing() -> Iterator[None]:
    """End quietly at a field that a `sound_part` lacks; other errors pass."""
    try:
        yield
    except AttributeError as error:
        if not (isinstance(error.obj, BaseModel) and error.name in type(error.obj).model_fields):
            raise


def sound_part(model: type[BaseModel], values: Mapping[str, Any]) -> Any:
    """An object of the model without the fields that are wrong or missing: asking for one raises AttributeError."""
    part = model.model_construct()
    for name in model.model_fields.keys() & values.keys():
        try:
            part.__dict__[name] = _adapter(model, name).validate_python(values[name])
        except ValidationError:
            part.__dict__.pop(name, None)
            inner = _model_within(model.model_fields[name].annotation)
            if inner is not None and isinstance(values[name], Mapping):
                part.__dict__[name] = sound_part(inner, values[name])
    return part


def refused(title: str, values: Any, refusals: list[Refusal], others: list[ErrorDetails]) -> ValidationError:
    """pydantic's error with the other errors, and then the refusals."""
    lines = [InitErrorDetails(type=_kind(e), loc=e["loc"], input=e["input"], ctx=e.get("ctx", {})) for e in others]
    for name, words in refusals:
        place = tuple(int(part) if part.isdecimal() else part for part in name.split(".") if part)
        lines.append(InitErrorDetails(type=PydanticCustomError(BROKEN, words), loc=place, input=values))
    return ValidationError.from_exception_data(title, lines)


def _kind(error: ErrorDetails) -> str | PydanticCustomError:
    """A type of our own needs its words again; one of pydantic is known by its name."""
    own = error["type"] in (BROKEN, ABOVE)
    context = {"words": error["msg"]} | {name: value for name, value in error.get("ctx", {}).items() if name == "most"}
    return PydanticCustomError(error["type"], "{words}", context) if own else error["type"]


@cache
def _adapter(model: type[BaseModel], name: str) -> TypeAdapter[Any]:
    return TypeAdapter(model.model_fields[name].rebuild_annotation())


def _model_within(annotation: Any) -> type[BaseModel] | None:
    """`Model`, and the one in `Model | None`; not those in lists."""
    kinds = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
    return next((kind for kind in kinds if issubclass(kind, BaseModel)), None)
