"""Pydantic's errors in plain words, one for each field: the form and the API show the same sentences."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rpt_core import config

Context = Mapping[str, Any]
_MODELS = frozenset(config.__all__)

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
    "string_too_long": lambda c: f"Give at most {c['max_length']} characters.",
    "string_too_short": lambda c: f"Give at least {c['min_length']} characters.",
    "literal_error": lambda c: f"Allowed: {c['expected']}.",
    "enum": lambda c: f"Allowed: {c['expected']}.",
    "union_tag_not_found": lambda c: f"Name the {c['discriminator']}.",
    "union_tag_invalid": lambda c: f"{c['tag']!r} is not a choice. Allowed: {c['expected_tags']}.",
    "value_error": lambda c: _sentence(str(c["error"])),
}


def field_messages(error: ValidationError) -> dict[str, str]:
    """Dotted name of each wrong field -> what to do about it. An error of the whole object stands under ``""``."""
    return messages_of(error.errors(include_url=False))


def messages_of(errors: list[ErrorDetails]) -> dict[str, str]:
    """The same from pydantic's list of errors. A field with several errors keeps the first."""
    messages: dict[str, str] = {}
    for detail in errors:
        messages.setdefault(".".join(_names(detail["loc"])), message(detail))
    return messages


def message(detail: ErrorDetails) -> str:
    """One error as a sentence; pydantic's own words when it is a rare one."""
    sentence = _SENTENCES.get(detail["type"])
    return sentence(detail.get("ctx", {})) if sentence else _sentence(detail["msg"])


def _names(location: Iterable[int | str]) -> Iterator[str]:
    """Fields and positions, without the alternatives of a union, which pydantic lists as if they were fields."""
    return (str(part) for part in location if isinstance(part, int) or ("[" not in part and part not in _MODELS))


def _sentence(text: str) -> str:
    is_field = re.match(r"\w+[._]", text)  # names of fields stay as they are
    return (text if is_field else text[:1].upper() + text[1:]) + ("" if text.endswith((".", "!", "?")) else ".")
