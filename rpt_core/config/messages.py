"""Pydantic's errors in plain words, one for each field: the form, the API and the shell show the same sentences.

In: pydantic's error. Out: what to do about each field; `with_given` adds what a terminal does not show otherwise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rpt_core import config
from rpt_core.config.limits import ABOVE
from rpt_core.config.rules import BROKEN
from rpt_core.words import counted

Context = Mapping[str, Any]
_MODELS = frozenset(config.__all__)
_NOTHING_GIVEN = ("missing", "extra_forbidden", "value_error", BROKEN)
"""Errors that are clear without what was given, or whose message names it."""
LONGEST_GIVEN = 60

_SENTENCES: dict[str, Callable[[Context], str]] = {
    "missing": lambda c: "This field is required.",
    "extra_forbidden": lambda c: "There is no such field. Remove it or correct its name.",
    "int_parsing": lambda c: "Give a whole number.",
    "int_type": lambda c: "Give a whole number.",
    "int_from_float": lambda c: "Give a whole number.",
    "float_parsing": lambda c: "Give a number.",
    "float_type": lambda c: "Give a number.",
    "finite_number": lambda c: "Give a finite number.",
    "bool_parsing": lambda c: "Give true or false.",
    "bool_type": lambda c: "Give true or false.",
    "string_type": lambda c: "Give a text.",
    "tuple_type": lambda c: "Give a list.",
    "list_type": lambda c: "Give a list.",
    "int_parsing_size": lambda c: "Give a smaller number.",
    "dict_type": lambda c: "Give an object with named fields.",
    "model_type": lambda c: "Give an object with named fields.",
    "model_attributes_type": lambda c: "Give an object with named fields.",
    "json_invalid": lambda c: "This is not valid JSON.",
    "greater_than": lambda c: f"Give a number above {c['gt']:g}.",
    "greater_than_equal": lambda c: f"Give a number of at least {c['ge']:g}.",
    "less_than": lambda c: f"Give a number below {c['lt']:g}.",
    "less_than_equal": lambda c: f"Give a number of at most {c['le']:g}.",
    "string_too_long": lambda c: f"Give at most {counted(c['max_length'], 'character')}.",
    "string_too_short": lambda c: f"Give at least {counted(c['min_length'], 'character')}.",
    "literal_error": lambda c: f"Allowed: {c['expected']}.",
    "enum": lambda c: f"Allowed: {c['expected']}.",
    "union_tag_not_found": lambda c: f"Name the {c['discriminator']}.",
    "union_tag_invalid": lambda c: f"{c['tag']!r} is not a choice. Allowed: {c['expected_tags']}.",
    "too_short": lambda c: f"Give at least {c['min_length']}.",
    "value_error": lambda c: _sentence(str(c["error"])),
}


def field_messages(error: ValidationError) -> dict[str, str]:
    """Dotted name of each wrong field -> what to do about it. An error of the whole object stands under ``""``."""
    return messages_of(error.errors(include_url=False))


def each_message(error: ValidationError) -> list[tuple[str, str]]:
    """(dotted name, what to do) of every error: a field may break several rules."""
    return [(name, message(detail)) for name, detail in _worth_telling(error.errors(include_url=False))]


def messages_of(errors: Sequence[ErrorDetails]) -> dict[str, str]:
    """The same as `field_messages` from pydantic's list of errors."""
    messages: dict[str, str] = {}
    for name, detail in _worth_telling(errors):
        messages[name] = f"{messages[name]} {message(detail)}" if name in messages else message(detail)
    return messages


def with_given(error: ValidationError, model: type[BaseModel]) -> list[tuple[str, str]]:
    """(dotted name, what to do) of every error, with what was given, or with the names that there are."""
    return [
        (name, message(detail) + (_names_there(model, detail["loc"]) if _is_unknown(detail) else _given(detail)))
        for name, detail in _worth_telling(error.errors(include_url=False))
    ]


def origins(error: ValidationError) -> list[tuple[str, str]]:
    """(limit, where it comes from) of every error, in the order of `each_message` and `with_given`."""
    return [_origin(detail) for _, detail in _worth_telling(error.errors(include_url=False))]


def _origin(detail: ErrorDetails) -> tuple[str, str]:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == ABOVE:
        return f"at most {context['most']:,}" if "most" in context else "", LARGEST
    if kind in (BROKEN, "value_error"):
        return "", RULE
    limit = _LIMITS.get(kind)
    return limit(context) if limit else "", SETTING


SETTING, LARGEST, RULE = "what the setting can be", "largest numbers that make sense", "settings that go together"
"""Where a limit of a config comes from."""
_LIMITS: dict[str, Callable[[Context], str]] = {
    "greater_than": lambda c: f"above {c['gt']:g}",
    "greater_than_equal": lambda c: f"at least {c['ge']:g}",
    "less_than": lambda c: f"below {c['lt']:g}",
    "less_than_equal": lambda c: f"at most {c['le']:g}",
    "string_too_long": lambda c: f"at most {counted(c['max_length'], 'character')}",
    "too_short": lambda c: f"at least {c['min_length']}",
    "literal_error": lambda c: str(c["expected"]),
}


def in_lines(messages: Iterable[tuple[str, str]]) -> str:
    """Messages by field, each on an indented line of its own."""
    return "".join(f"\n  {name}: {words}" if name else f"\n  {words}" for name, words in messages)


def message(detail: ErrorDetails) -> str:
    """One error as a sentence; pydantic's own words when it is a rare one."""
    sentence = _SENTENCES.get(detail["type"])
    return sentence(detail.get("ctx", {})) if sentence else _sentence(detail["msg"])


def _worth_telling(errors: Sequence[ErrorDetails]) -> Iterator[tuple[str, ErrorDetails]]:
    """Every broken rule, and of a field's other errors the first: they are those of a union's alternatives."""
    told: set[str] = set()
    for detail in errors:
        name = ".".join(_names(detail["loc"]))
        if detail["type"] == BROKEN or name not in told:
            yield name, detail
        told.add(name)


def _is_unknown(detail: ErrorDetails) -> bool:
    return detail["type"] == "extra_forbidden"


def _given(detail: ErrorDetails) -> str:
    if detail["type"] in _NOTHING_GIVEN:
        return ""
    text = json.dumps(detail["input"], ensure_ascii=False, default=str)
    return f" Given: {text if len(text) <= LONGEST_GIVEN else text[:LONGEST_GIVEN] + '…'}."


def _names_there(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """The field that was meant, or else all that there are beside a wrong name."""
    *parents, wrong = _names(location)
    for name in parents:
        if not name.isdecimal():
            model = next(_models(model.model_fields[name].annotation))
    close = get_close_matches(wrong, model.model_fields, 1)
    return f" Did you mean {close[0]}?" if close else f" There are: {', '.join(model.model_fields)}."


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models within a type such as `Model | None` or `tuple[Model, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _names(location: Iterable[int | str]) -> Iterator[str]:
    """Fields and positions, without the alternatives of a union, which pydantic lists as if they were fields."""
    return (str(part) for part in location if isinstance(part, int) or ("[" not in part and part not in _MODELS))


def _sentence(text: str) -> str:
    is_field = re.match(r"\w+[._]", text)  # names of fields stay as they are
    return (text if is_field else text[:1].upper() + text[1:]) + ("" if text.endswith((".", "!", "?")) else ".")
