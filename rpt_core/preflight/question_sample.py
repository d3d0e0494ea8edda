"""How many questions a run asks, and the first of them, without reading all files.

In: an RlvrConfig's questions, a BenchmarkConfig. Out: an AskedQuestions. What fits into the sample of a corpus
(`corpus_sample`) is read whole, drawn and counted as the stage does. Of more, the first records are read, and the rest
is counted by its size on disk: then the first question is that of the files, not that of the draw, and too few
questions of one side are only warned of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rpt_core.config import BenchmarkConfig, QuestionsConfig
from rpt_core.errors import UserError
from rpt_core.preflight.corpus_sample import first_of

if TYPE_CHECKING:
    from rpt_core.evaluation.choice_questions import ChoiceQuestion
    from rpt_core.problems.questions import Question
    from rpt_core.text.files import DataFile
    from rpt_core.text.readers import ReadingProgress


@dataclass(frozen=True)
class AskedQuestions:
    """What is known of a run's questions."""

    texts: list[str]
    """Of some questions, at least one."""
    number: float
    """Trained on, or asked."""
    notes: tuple[str, ...] = ()


def sample_questions(config: QuestionsConfig) -> AskedQuestions:
    """Training questions of RLVR, or the listed ones.

    Raises UserError as `load_questions` does, of more data only for what it reads.
    """
    from rpt_core.problems.questions import listed, load_questions, question_files, read_questions
    from rpt_core.text.records import Tally

    if config.source != "tiny":
        tally, files = Tally(), question_files(config)

        def read(file: DataFile, progress: ReadingProgress) -> Iterator[Question]:
            return read_questions(config, file, tally, progress)

        first = first_of(files.files, read)
        if not first.is_all:
            notes = [*files.notes, *tally.notes(), *_too_few(config, first.number)]
            number = len(config.listed_questions) or config.train_questions
            return _asked([question.text for question in first.items], number, notes)
    found = load_questions(config)
    names, asked = config.listed_questions, found.train
    if names:
        asked = listed([*found.train, *found.test], names, "questions.listed_questions")
    return _asked([question.text for question in asked], len(asked), found.notes)


def sample_choices(config: BenchmarkConfig) -> AskedQuestions:
    """Questions of a benchmark. Raises UserError as `load_questions` does, of more data only for what it reads."""
    from rpt_core.evaluation.choice_questions import (
        check_categories,
        choice_files,
        chosen,
        load_questions,
        read_choices,
    )
    from rpt_core.text.records import Tally

    if config.format != "tiny":
        tally, files = Tally(), choice_files(config)
        categories = Counter[str]()

        def read(file: DataFile, progress: ReadingProgress) -> Iterator[ChoiceQuestion]:
            for question in read_choices(config, file, tally, progress):
                categories[question.category] += 1
                yield question

        first = first_of(files.files, read)
        if not first.is_all:
            check_categories(first.items)
            number = len(config.listed_questions) or _drawn(categories, first.number, config.per_category)
            return _asked([question.question for question in first.items], number, [*files.notes, *tally.notes()])
    found, tally = load_questions(config)
    drawn = chosen(found, config)
    return _asked([question.question for question in drawn], len(drawn), tally.notes())


def _asked(texts: list[str], number: float, notes: list[str] | tuple[str, ...]) -> AskedQuestions:
    if not texts:
        raise UserError(" ".join(["None of the records is a question that can be used.", *notes]))
    return AskedQuestions(texts, number, tuple(notes))


def _too_few(config: QuestionsConfig, number: float) -> Iterator[str]:
    wanted = config.train_questions + config.test_questions
    if number < wanted:
        yield f"The files hold about {number:,.0f} questions by their size, and {wanted:,} are asked for."


def _drawn(categories: Counter[str], number: float, per_category: int | None) -> float:
    """How many of about so many questions are drawn. categories: of those that were read."""
    scale = number / sum(categories.values())
    most = float("inf") if per_category is None else per_category
    return sum(min(most, count * scale) for count in categories.values())
