"""What is asked of the runs of the table, such as `config.seed=1` or `metric.loss.last<0.5`.

In: text. Out: a `Condition` that narrows runs, or a UserError. A run without a value fits no condition on it, but
`=none`; `!=none` asks for those that have one. `~` asks for a text within, whatever the case of its letters.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import (
    Case,
    DateTimeField,
    F,
    FloatField,
    Func,
    JSONField,
    Lookup,
    Q,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Cast
from django.db.models.lookups import (
    Exact,
    GreaterThan,
    GreaterThanOrEqual,
    IContains,
    IsNull,
    LessThan,
    LessThanOrEqual,
)

from rpt_core.config.reading import refuse_too_deep
from rpt_core.errors import UserError
from rpt_web.run_table.columns import NUMBERS, RunColumn, column
from rpt_web.run_table.expressions import Expression, expression
from rpt_web.runs.models import Status
from rpt_web.text import UNSTORABLE, clean_json

MOST_CONDITIONS = 20
LONGEST_VALUE = 1000
_UNREADABLE = f"The value of a condition has at most {LONGEST_VALUE} characters, all of which can be read."
NONE = "none"
OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "~")
WORDS = {
    "=": "is",
    "!=": "is not",
    "<": "is below",
    "<=": "is at most",
    ">": "is above",
    ">=": "is at least",
    "~": "contains",
}
"""The operators as a form offers them."""
_LOOKUPS: dict[str, type[Lookup[Any]]] = {
    "=": Exact,
    "<": LessThan,
    "<=": LessThanOrEqual,
    ">": GreaterThan,
    ">=": GreaterThanOrEqual,
}
_PARTS = re.compile(r"([^<>=~!]+)(!=|<=|>=|=|<|>|~)(.*)", re.DOTALL)


@dataclass(frozen=True)
class Condition:
    """One condition: a column, an operator, and the value as it was written."""

    column: RunColumn
    operator: str
    value: str

    def __str__(self) -> str:
        return f"{self.column.name}{self.operator}{self.value}"

    @property
    def words(self) -> str:
        """As a person reads it."""
        if self.value == NONE and self.operator in ("=", "!="):
            return f"{self.column.title} {'is missing' if self.operator == '=' else 'is there'}"
        return f"{self.column.title} {WORDS[self.operator]} {self.value}"

    def fits(self) -> Q:
        """What the runs are filtered by. Raises UserError for a value that the column cannot have."""
        if self.value != NONE or self.operator not in ("=", "!="):
            return _FITS[_sort_of(self.column)](self, expression(self.column))
        is_missing = Q(tags=[]) if self.column.kind == "tags" else Q(IsNull(expression(self.column), True))
        return is_missing if self.operator == "=" else ~is_missing


def condition(text: str) -> Condition:
    """The condition of a text. Raises UserError, also for a value that the column cannot have."""
    parts = _PARTS.fullmatch(text)
    if parts is None or not parts[3].strip():
        raise UserError(
            f"{text[:80]!r} is no condition. Write a column, one of {' '.join(OPERATORS)}, and a value, such as "
            "config.seed=1 or metric.loss.last<0.5; `none` stands for no value."
        )
    value = parts[3].strip()
    if len(value) > LONGEST_VALUE or UNSTORABLE.search(value):
        raise UserError(_UNREADABLE)
    found = Condition(column(parts[1]), parts[2], value)
    found.fits()  # refuses what does not fit
    return found


def conditions(texts: Iterable[str]) -> list[Condition]:
    """Each once. Raises UserError."""
    found = [condition(text) for text in dict.fromkeys(texts) if text.strip()]
    if len(found) > MOST_CONDITIONS:
        raise UserError(f"These are {len(found)} conditions, and {MOST_CONDITIONS} are allowed. Take some away.")
    return found


def _sort_of(asked: RunColumn) -> str:
    return "number" if asked.kind in NUMBERS else asked.kind


def _compared(asked: Condition, found: Expression, value: Value) -> Q:
    if asked.operator == "!=":
        return ~Q(Exact(found, value)) & Q(IsNull(found, False))
    return Q(_LOOKUPS[asked.operator](found, value))


def _number(asked: Condition, found: Expression) -> Q:
    _refuse(asked, "~")
    text = asked.value.replace("−", "-").removesuffix("%").strip()
    try:
        value = float(text) / (100 if asked.value.endswith("%") else 1)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{asked.value[:80]!r} is no number. Compare {asked.column.name} with one such as 0.5.")
    return _compared(asked, Cast(found, FloatField()), Value(value, output_field=FloatField()))


def _time(asked: Condition, found: Expression) -> Q:
    _refuse(asked, "~")
    try:
        moment = datetime.fromisoformat(asked.value)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise UserError(
            f"{asked.value[:80]!r} is no day. Compare {asked.column.name} with one such as 2026-11-30."
        ) from None
    return _compared(asked, found, Value(moment, output_field=DateTimeField()))


def _text(asked: Condition, found: Expression) -> Q:
    _refuse(asked, "<", "<=", ">", ">=")
    if asked.operator == "~":
        return Q(IContains(found, asked.value))
    return _compared(asked, found, Value(_unquoted(asked.value), output_field=TextField()))


def _unquoted(text: str) -> str:
    """In quotes stands a text that would mean something else without: "none", or one with blanks around it."""
    value = _loaded(text) if text.startswith('"') else text
    return value if isinstance(value, str) else text


def _state(asked: Condition, found: Expression) -> Q:
    if asked.operator != "~" and asked.value not in Status.values:
        raise UserError(f"{asked.value[:80]!r} is no state of a run. There are: {', '.join(Status.values)}.")
    return _text(asked, found)


def _tags(asked: Condition, found: Expression) -> Q:
    _refuse(asked, "<", "<=", ">", ">=")
    tag = " ".join(asked.value.lower().split())
    if asked.operator == "~":
        written = Func(found, Value("\n"), function="array_to_string", output_field=TextField())
        return Q(IContains(written, tag))
    return ~Q(tags__contains=[tag]) if asked.operator == "!=" else Q(tags__contains=[tag])


def _setting(asked: Condition, found: Expression) -> Q:
    """A setting may be a number in one run and a text in another: it is compared with what is of the value's kind."""
    if asked.operator == "~":
        path = [Value(key) for key in asked.column.path]
        text = Func(F("config"), *path, function="jsonb_extract_path_text", output_field=TextField())
        return Q(IContains(text, asked.value))
    if asked.operator in ("=", "!="):
        equal = Q()
        for value in _meant(asked.value):
            equal |= Q(Exact(found, Value(value, output_field=JSONField())))
        return equal if asked.operator == "=" else ~equal & Q(IsNull(found, False))
    value = _loaded(asked.value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"{asked.value[:80]!r} is no number. Only numbers are below or above each other.")
    kind = Func(found, function="jsonb_typeof", output_field=TextField())
    number = Case(When(Exact(kind, Value("number")), then=Cast(found, FloatField())), output_field=FloatField())
    return _compared(asked, number, Value(float(value), output_field=FloatField()))


def _meant(text: str) -> list[Any]:
    """What a text may stand for in a config: itself, and what it is as JSON."""
    value = _loaded(text)
    return [text] if value is None or value == text else [value, text]


def _loaded(text: str) -> Any:
    """What a text is as JSON; None for none. Raises UserError for what the database cannot hold: JSON writes characters
    by their numbers, too, and numbers of any size."""
    try:
        value = json.loads(text)
        refuse_too_deep(value)
        json.dumps(value, allow_nan=False)
        float(value if isinstance(value, int) else 0)
    except (ValueError, RecursionError, OverflowError):
        return None
    if clean_json(value) != value:
        raise UserError(_UNREADABLE)
    return value


def _refuse(asked: Condition, *operators: str) -> None:
    if asked.operator in operators:
        allowed = [one for one in OPERATORS if one not in operators]
        raise UserError(f"{asked.column.name} cannot be compared by {asked.operator}. Use one of: {' '.join(allowed)}.")


_FITS: dict[str, Callable[[Condition, Expression], Q]] = {
    "number": _number,
    "time": _time,
    "text": _text,
    "state": _state,
    "tags": _tags,
    "setting": _setting,
}
