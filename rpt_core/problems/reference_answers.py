r"""Reference answers as records hold them: made into texts that a response can match, or refused.

In: a record and the name of its field: a text, a number, a list of them, a text that holds a JSON list, or chat
messages. Out: the answers of which any counts. What stands for a missing value (None, NaN, what pandas writes for them)
is no answer, and infinity as a number is none either: it usually stands for one that was too large. A whole number is
written as such (7.0 is 7, 1e22 has 23 digits). Of a text with a box, as solutions have it, the box's content is the
answer; of one that ends in `#### 42`, as GSM8K has it, what follows the signs.
"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any

from rpt_core.text.chats import is_chat, last_turn
from rpt_core.text.records import Unusable, checked_text, field_of
from rpt_core.verdict import extract_prediction

_MISSING = frozenset((
    "nan", "-nan", "<na>", "nat", "n/a", "none", "null", "[null]", "[nan]", "undefined", "1.#qnan", "1.#ind",
    "-", "--", "\u2013", "\u2014", "?", "#n/a", "#na", "#ref!", "#value!", "#div/0!", "#name?", "#num!", "#null!",
))  # fmt: skip
"""Texts that programs, spreadsheets and people write for a value that is not there, in small letters."""
_INFINITE = re.compile(r"[+-]?(inf|Infinity)")
_SCIENTIFIC = re.compile(r"[+-]?\d{1,40}(\.\d{1,40})?[eE][+-]?\d{1,3}")
_AFTER_SIGNS = re.compile(r"(?:^|\n)####\s*(\S[^\n]*)\s*$")


def answers_in(record: dict[str, Any], name: str) -> tuple[str, ...]:
    """The reference answers in a field. Raises Unusable when there is none that a response could match."""
    value = field_of(record, name)
    if value is None:
        raise Unusable(f"no field `{name}`")
    if isinstance(value, str):
        value = _listed(value, name)
    elif is_chat(value):
        value = last_turn(value, name, "assistant")
    found, problem = dict[str, None](), Unusable(f"field `{name}` is not an answer")
    for item in value if isinstance(value, list) else [value]:
        try:
            found[_text(item, name)] = None
        except Unusable as why:
            problem = why
    if not found:
        raise problem
    return tuple(found)


def _text(value: Any, name: str) -> str:
    """One answer as a text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise Unusable(f"field `{name}` is not an answer")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float | Decimal):
        return _number(value, name)
    text = checked_text(value, name).strip()
    if text.lower() in _MISSING:
        raise Unusable(f"field `{name}` is {text!r}, which stands for a missing answer")
    if _INFINITE.fullmatch(text):
        raise Unusable(f"field `{name}` is {text!r}; write infinity as \\infty if it is meant")
    if _SCIENTIFIC.fullmatch(text):
        return _number(Decimal(text), name)
    return _final(text, name)


def _number(value: float | Decimal, name: str) -> str:
    """A number without an exponent, and without a fraction where it is whole."""
    if not math.isfinite(value):
        meant = "a missing answer" if math.isnan(value) else "a number that was too large, or infinity (write \\infty)"
        raise Unusable(f"field `{name}` is {value}, which stands for {meant}")
    written = f"{Decimal(repr(value)) if isinstance(value, float) else value:f}"
    whole, point, fraction = written.partition(".")
    fraction = fraction.rstrip("0")
    text = f"{whole}.{fraction}" if point and fraction else whole
    return "0" if text == "-0" else text


def _final(text: str, name: str) -> str:
    """The answer at the end of a worked solution; the text itself where it is none."""
    if (signs := _AFTER_SIGNS.search(text)) is not None:
        return signs[1].strip()
    if "\\boxed{" not in text:
        return text
    boxed = extract_prediction(f"</think>{text}")
    if boxed is None or not boxed.strip():
        raise Unusable(f"field `{name}` has an empty or broken \\boxed{{}}")
    return boxed.strip()


def _listed(text: str, name: str) -> Any:
    """The list that a text holds as JSON; the text itself when it is none, such as the interval [0, 1]."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, dict) and value:
        raise Unusable(f"field `{name}` holds an object, such as the test cases of a programming task, and no answer")
    return value if isinstance(value, list) and all(isinstance(item, str) for item in value) else text
