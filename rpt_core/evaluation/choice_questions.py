"""Multiple-choice questions from the public files of MMLU-Pro and SuperGPQA, from files of one's own, from the built-in
corpus; and the draw of so many of each category.

In: a BenchmarkConfig. Out: ChoiceQuestions, and a Tally of the records that could not be used. A question that was read
before under the same id is left out; an id that stands for several questions gets the file's name in front. The formats
(other fields are ignored):

    mmlu_pro   question_id, question, options, answer (letter), answer_index, category. Options of "N/A" at the end only
               fill a row up to ten and are left out, as MMLU-Pro's own code does. Name the test file: the file called
               validation holds worked examples.
    supergpqa  uuid, question, options, answer (the option's text), answer_letter, discipline (the category)
    generic    question, options, answer (a letter, the option's number from 0, or its text); perhaps category and id
    tiny       terse solutions of the built-in corpus, cut before their result; the options are all possible results.
               Problems come from the side that no preset trains on, by the hash of their id, whatever the seed.

Paper: Table 3 and the text to it (200 questions of each category).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from string import ascii_uppercase
from typing import Any

from rpt_core.config import BenchmarkConfig
from rpt_core.errors import UserError
from rpt_core.problems.questions import listed
from rpt_core.text.corpus import split_of
from rpt_core.text.files import RECORD_KINDS, DataFile
from rpt_core.text.finding import Found, Reader, find_files
from rpt_core.text.names import Names, text_digest, text_hash
from rpt_core.text.readers import ReadingProgress, read_records
from rpt_core.text.records import Tally, Unusable, checked_text, field_of, label_of, text_of, usable
from rpt_core.tiny.corpus import KINDS, TERSE_OPENING, records

MAX_CATEGORIES = 500
NO_CATEGORY = "all"
TINY_PROBLEMS, TINY_HELD_OUT = 3600, 0.38
"""As in the preset `tiny`: the problems of RPT, and the share of them that is held out."""


@dataclass(frozen=True)
class ChoiceQuestion:
    """One question."""

    id: str
    question: str
    options: tuple[str, ...]
    answer: int
    """Index of the right option."""
    category: str

    @property
    def text_hash(self) -> bytes:
        """What question and options are known by in every run: the same words may be asked with other options."""
        return text_digest("\n".join((self.question, *self.options)).encode())

    def is_right(self, choice: int | None) -> bool:
        """Whether an option is the right one, or has the same text."""
        return choice is not None and self.options[choice] == self.options[self.answer]


def load_questions(config: BenchmarkConfig) -> tuple[list[ChoiceQuestion], Tally]:
    """All usable questions. Raises UserError for missing files, too many bad records, no or too many categories."""
    tally = Tally()
    found = _tiny(config.seed, tally) if config.format == "tiny" else _from_files(config, tally)
    tally.check(config.max_bad_share)
    check_categories(found)
    return found, tally


def check_categories(found: Sequence[ChoiceQuestion]) -> None:
    """Raise UserError when there is no question, or when there are too many categories to show."""
    if not found:
        raise UserError("There are no questions. Name files with questions in `paths`.")
    if (categories := len({question.category for question in found})) > MAX_CATEGORIES:
        raise UserError(
            f"The questions have {categories} categories, at most {MAX_CATEGORIES} can be shown. Join some."
        )


def chosen(questions: Sequence[ChoiceQuestion], config: BenchmarkConfig) -> list[ChoiceQuestion]:
    """The questions that a run asks: the listed ones, or the draw. Raises UserError for one that is not there."""
    if config.listed_questions:
        return listed(questions, config.listed_questions, "listed_questions")
    return draw(questions, config.per_category, config.seed)


def draw(questions: Sequence[ChoiceQuestion], per_category: int | None, seed: int) -> list[ChoiceQuestion]:
    """So many of each category, by a hash of seed and id: the same ones in whatever order they were read."""
    by_category = defaultdict(list)
    for question in questions:
        by_category[question.category].append(question)
    return [
        question
        for category in sorted(by_category)
        for question in sorted(by_category[category], key=lambda q: _rank(seed, q.id))[:per_category]
    ]


def _rank(seed: int, id_: str) -> bytes:
    return hashlib.blake2b(f"{seed}\x1f{id_}".encode(), digest_size=16).digest()


def _from_files(config: BenchmarkConfig, tally: Tally) -> list[ChoiceQuestion]:
    found: dict[tuple[str, str], ChoiceQuestion] = {}
    names, files = Names(), choice_files(config)
    for file in files.files:
        for question in read_choices(config, file, tally):
            words = _words(question.question, question.options)
            if (question.id, words) in found:
                tally.duplicates += 1
            else:
                found[question.id, words] = replace(question, id=names.unique(question.id, file.name, words))
    tally.left_out += [*files.notes, *names.notes()]
    return list(found.values())


def choice_files(config: BenchmarkConfig) -> Found:
    """The files that hold the questions. Raises UserError as `find_files` does."""
    return find_files(config.paths, Reader(RECORD_KINDS, fields=_FORMATS[config.format][1]))


def read_choices(
    config: BenchmarkConfig, file: DataFile, tally: Tally, progress: ReadingProgress | None = None
) -> Iterator[ChoiceQuestion]:
    """All usable questions of one file, as they stand there."""
    make, needed = _FORMATS[config.format]
    yield from usable(str(file.path), read_records(file, needed, progress), tally, make)


def _words(question: str, options: Sequence[str]) -> str:
    return "\x1f".join([question, *options])


def _mmlu_pro(record: dict[str, Any]) -> ChoiceQuestion:
    options = _options(record)
    while options and options[-1] == "N/A":
        options.pop()
    answer = _by_letter(options, text_of(record, "answer"), "answer")
    if field_of(record, "answer_index") != answer:
        raise Unusable("`answer` and `answer_index` disagree")
    return _question(record, options, answer, "question_id", "category")


def _supergpqa(record: dict[str, Any]) -> ChoiceQuestion:
    options = _options(record)
    answer = _by_letter(options, text_of(record, "answer_letter"), "answer_letter")
    if text_of(record, "answer").strip() != options[answer]:
        raise Unusable("`answer` is not the text of the option that `answer_letter` names")
    return _question(record, options, answer, "uuid", "discipline")


def _generic(record: dict[str, Any]) -> ChoiceQuestion:
    options, answer = _options(record), field_of(record, "answer")
    if isinstance(answer, float) and answer.is_integer():
        answer = int(answer)  # a column with missing values holds its whole numbers so
    if isinstance(answer, int) and not isinstance(answer, bool):
        if not 0 <= answer < len(options):
            raise Unusable(f"field `answer` is {answer}, but there are {len(options)} options, counted from 0")
        return _question(record, options, answer, "id", "category")
    text = text_of(record, "answer").strip()
    meant = {n for n, letter in enumerate(ascii_uppercase[: len(options)]) if letter == text.upper()}
    meant |= {options.index(text)} if text in options else set()
    if len(meant) != 1:
        problem = "is an option and another one's letter" if meant else "is neither a letter nor the text of an option"
        raise Unusable(f"field `answer` {problem}")
    return _question(record, options, meant.pop(), "id", "category")


_FORMATS: dict[str, tuple[Callable[[dict[str, Any]], ChoiceQuestion], Sequence[str]]] = {
    "mmlu_pro": (_mmlu_pro, ("question_id", "question", "options", "answer", "answer_index", "category")),
    "supergpqa": (_supergpqa, ("uuid", "question", "options", "answer", "answer_letter", "discipline")),
    "generic": (_generic, ("question", "options", "answer")),
}
"""What makes a question of a record, and the fields that a file must have."""


def _options(record: dict[str, Any]) -> list[str]:
    values = field_of(record, "options")
    if not isinstance(values, list) or not 2 <= len(values) <= len(ascii_uppercase):
        raise Unusable(f"field `options` is not a list of 2 to {len(ascii_uppercase)} options")
    return [checked_text(value, "options").strip() for value in values]


def _by_letter(options: Sequence[str], letter: str, name: str) -> int:
    """Index of the option with a letter."""
    letters = ascii_uppercase[: len(options)]
    if (letter := letter.strip().upper()) not in set(letters):
        raise Unusable(f"field `{name}` is none of the letters {', '.join(letters)}")
    return letters.index(letter)


def _question(record: dict[str, Any], options: list[str], answer: int, id_: str, category: str) -> ChoiceQuestion:
    text = text_of(record, "question")
    name = label_of(record, id_) or text_hash(_words(text, options))
    return ChoiceQuestion(name, text, tuple(options), answer, label_of(record, category) or NO_CATEGORY)


def _tiny(seed: int, tally: Tally) -> list[ChoiceQuestion]:
    made = records("problems", TINY_PROBLEMS, seed)
    tally.records = len(made)
    return [_tiny_question(record) for record in made if split_of(record["id"], TINY_HELD_OUT) == "validation"]


def _tiny_question(record: dict[str, Any]) -> ChoiceQuestion:
    kind = next(kind for kind in KINDS if record["id"].startswith(f"{kind.name}-"))
    return ChoiceQuestion(
        record["id"],
        f"Problem: {record['problem']}\nSolution: {TERSE_OPENING} {kind.result} ",
        tuple(map(str, range(kind.modulus))),
        int(record["answer"]),
        record["domain"],
    )
