"""The questions of a label set: read from YAML, and answers to them checked.

In: what somebody has typed, or sent as answers. Out: `ReviewQuestion`s, answers as they are stored, or a UserError
that says what is wrong, what is allowed and what to do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import yaml

from rpt_core.errors import UserError, said
from rpt_core.typed_yaml import read_typed
from rpt_core.words import counted, listed
from rpt_web.characters import unfit_for_a_name
from rpt_web.text import clean_text

KINDS = {"one": "one label", "several": "several labels", "scale": "a number of a scale", "text": "a text"}
COLOURS = ("grey", "green", "blue", "red", "amber", "violet")
MOST_QUESTIONS, MOST_LABELS, LONGEST_TITLE, LONGEST_ANSWER = 10, 30, 200, 10_000
TAKEN_KEYS = "ucf?"
"""Keys that mean something on the reviewer's page whatever the question is."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_OF_QUESTION = ("name", "title", "kind", "hint", "required", "labels", "lowest", "highest")
_OF_LABEL = ("value", "title", "colour", "key")


@dataclass(frozen=True)
class Label:
    """A label that can be chosen, by its key."""

    value: str
    title: str
    colour: str
    key: str


@dataclass(frozen=True)
class ReviewQuestion:
    """Something that a reviewer is asked."""

    name: str
    title: str
    kind: str
    hint: str = ""
    required: bool = True
    labels: tuple[Label, ...] = ()
    lowest: int = 1
    highest: int = 5

    @property
    def has_labels(self) -> bool:
        """Whether labels are chosen."""
        return self.kind in ("one", "several")

    @property
    def numbers(self) -> range:
        """Of a scale."""
        return range(self.lowest, self.highest + 1)

    def words_of(self, answer: Any) -> str:
        """An answer as people read it."""
        titles = {choice.value: choice.title for choice in self.labels}
        if isinstance(answer, list):
            return listed(titles.get(str(value), str(value)) for value in answer) if answer else "none of them"
        return titles.get(str(answer), str(answer))


def read_questions(text: str) -> list[ReviewQuestion]:
    """The questions of a label set. Raises UserError that names the question and what is wrong with it."""
    try:
        data = read_typed(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise UserError(f"This is no YAML: {said(error)}.") from None
    given = data.get("questions") if isinstance(data, dict) and list(data) == ["questions"] else None
    if not isinstance(given, list) or not 0 < len(given) <= MOST_QUESTIONS:
        raise UserError(f"Give `questions:` with a list of 1 to {MOST_QUESTIONS} questions, and nothing beside it.")
    questions = [_question(entry, place) for place, entry in enumerate(given, 1)]
    _refuse_twice([question.name for question in questions], "questions have the name")
    return questions


def from_stored(stored: Sequence[Mapping[str, Any]]) -> list[ReviewQuestion]:
    """The questions of a version."""
    return [
        ReviewQuestion(**{**found, "labels": tuple(Label(**label) for label in found.get("labels", ()))})
        for found in stored
    ]


def as_stored(questions: Sequence[ReviewQuestion]) -> list[dict[str, Any]]:
    """The same as JSON."""
    return [asdict(question) for question in questions]


def checked_answers(questions: Sequence[ReviewQuestion], given: Any, *, whole: bool) -> dict[str, Any]:
    """Answers as they are stored: of each question, what fits it. Raises UserError for one that does not fit.

    whole: whether every required question must have an answer, as on submitting.
    """
    if not isinstance(given, Mapping):
        raise UserError("Answers are an object: the name of each question with its answer.")
    if unknown := [str(name) for name in given if name not in {question.name for question in questions}]:
        names = listed([f"`{question.name}`" for question in questions])
        raise UserError(f"There is no question `{clean_text(unknown[0])}`. The questions are: {names}.")
    found = {question.name: _answer(question, given.get(question.name)) for question in questions}
    missing = next((asked for asked in questions if asked.required and found[asked.name] is None), None)
    if whole and missing is not None:
        raise UserError(f"“{missing.title}” needs an answer. {allowed(missing)}")
    return {name: answer for name, answer in found.items() if answer is not None}


def allowed(question: ReviewQuestion) -> str:
    """What may be answered, in a sentence."""
    if question.kind == "text":
        return f"Write a text of at most {LONGEST_ANSWER:,} characters."
    if question.kind == "scale":
        return f"Choose a whole number from {question.lowest} to {question.highest}."
    values = _either([f"`{choice.value}`" for choice in question.labels])
    return f"Choose {'one' if question.kind == 'one' else 'some'} of {values}."


def _either(names: Sequence[str]) -> str:
    """Names to choose from: a; a or b; a, b or c."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def _answer(question: ReviewQuestion, given: Any) -> Any:
    """What is stored of an answer; None for none."""
    if given is None or given in ("", []):
        return None
    values = {choice.value for choice in question.labels}
    if question.kind == "text" and isinstance(given, str) and len(given) <= LONGEST_ANSWER:
        return clean_text(given).strip() or None
    if question.kind == "one" and isinstance(given, str) and given in values:
        return given
    if question.kind == "several" and isinstance(given, list) and all(value in values for value in map(str, given)):
        return [choice.value for choice in question.labels if choice.value in given]
    if question.kind == "scale" and (number := _whole(given)) is not None and number in question.numbers:
        return number
    raise UserError(f"“{question.title}” does not have this answer. {allowed(question)}")


def _whole(given: Any) -> int | None:
    if isinstance(given, bool):
        return None
    if isinstance(given, int):
        return given
    return int(given) if isinstance(given, str) and re.fullmatch(r"-?\d{1,6}", given) else None


def _question(entry: Any, place: int) -> ReviewQuestion:
    where = f"Question {place}"
    if not isinstance(entry, dict):
        raise UserError(f"{where}: give an object with `name`, `title` and `kind`.")
    _refuse_other(where, entry, _OF_QUESTION)
    name, kind = entry.get("name"), entry.get("kind")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UserError(f"{where}: give a `name` of small letters, digits and _, such as `thought`. It joins answers.")
    if kind not in KINDS:
        raise UserError(f"{where}: `kind` is one of {_either([f'`{known}`' for known in KINDS])}.")
    labels = _labels(where, entry.get("labels"), kind)
    lowest, highest = _scale(where, entry) if kind == "scale" else (1, 5)
    required = entry.get("required", kind != "text")
    if not isinstance(required, bool):
        raise UserError(f"{where}: `required` is true or false.")
    title = _text(where, entry, "title", name)
    return ReviewQuestion(name, title, kind, _text(where, entry, "hint", ""), required, labels, lowest, highest)


def _labels(where: str, given: Any, kind: str) -> tuple[Label, ...]:
    if kind not in ("one", "several"):
        if given is not None:
            raise UserError(f"{where}: only the kinds `one` and `several` have `labels`. Remove them.")
        return ()
    if not isinstance(given, list) or not 2 <= len(given) <= MOST_LABELS:
        raise UserError(f"{where}: give 2 to {MOST_LABELS} `labels`.")
    labels = tuple(_label(f"{where}, label {place}", entry, place) for place, entry in enumerate(given, 1))
    _refuse_twice([label.value for label in labels], f"labels of question {where.rpartition(' ')[2]} have the value")
    _refuse_twice([label.key for label in labels if label.key], "labels of one question have the key")
    return labels


def _label(where: str, entry: Any, place: int) -> Label:
    entry = {"value": entry} if isinstance(entry, str) else entry
    if not isinstance(entry, dict):
        raise UserError(f"{where}: give a word, or an object with `value`, `title`, `colour` and `key`.")
    _refuse_other(where, entry, _OF_LABEL)
    value = entry.get("value")
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise UserError(f"{where}: give a `value` of small letters, digits and _, such as `lucky_guess`.")
    colour = entry.get("colour", COLOURS[0])
    if colour not in COLOURS:
        raise UserError(f"{where}: `colour` is one of {_either([f'`{known}`' for known in COLOURS])}.")
    key = str(entry.get("key", place if place < 10 else ""))
    if len(key) > 1 or (key and not key.isalnum()) or key in TAKEN_KEYS:
        raise UserError(f"{where}: `key` is one letter or digit, but not u, c or f, which the page itself uses.")
    return Label(value, _text(where, entry, "title", value.replace("_", " ")), colour, key)


def _scale(where: str, entry: Mapping[str, Any]) -> tuple[int, int]:
    lowest, highest = entry.get("lowest", 1), entry.get("highest", 5)
    if type(lowest) is not int or type(highest) is not int or not 0 <= lowest < highest <= lowest + 10 <= 1000:
        raise UserError(f"{where}: `lowest` and `highest` are whole numbers from 0 on, at most 10 apart.")
    return lowest, highest


def _text(where: str, entry: Mapping[str, Any], field: str, usual: str) -> str:
    text = entry.get(field, usual)
    if not isinstance(text, str) or len(text) > LONGEST_TITLE:
        raise UserError(f"{where}: `{field}` is a text of at most {counted(LONGEST_TITLE, 'character')}.")
    if (unfit := unfit_for_a_name(text)) is not None:
        raise UserError(f"{where}: `{field}` holds {unfit}, which nobody sees. Remove it.")
    return " ".join(text.split()) or usual


def _refuse_other(where: str, entry: Mapping[Any, Any], known: Sequence[str]) -> None:
    if other := [str(name) for name in entry if name not in known]:
        names = listed([f"`{name}`" for name in known])
        raise UserError(f"{where}: there is no `{other[0]}`. The fields are {names}.")


def _refuse_twice(names: Sequence[str], words: str) -> None:
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"Two {words} `{twice}`. Give each its own.")
