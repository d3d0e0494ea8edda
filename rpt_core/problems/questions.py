"""Questions with answers that can be checked: read, split into train and test, drawn by a seed, put into prompts.

In: a QuestionsConfig; later a policy's tokenizer and a template. Out: a QuestionSet, and PosedQuestions. The paper
takes 256 questions to train on and 200 to test on from Skywork-OR1 (Table 2). The side of a question follows from
a hash of its words (white space and case aside), not from the seed: with the same counts no run trains on what another
one tests on. Each side is put into an order that follows from seed and id, and its first questions are taken. One
whose words were read before is left out, and so is a training question that nearly equals a drawn test question; an id
that stands for several questions gets the file's name in front.

Skywork-OR1's records hold chat messages in `prompt` and a JSON list of answers in the text `reward_model.ground_truth`;
its programming tasks have test cases there instead, and count as unusable.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from rpt_core.config import PROMPT_DATE, SKYWORK_OR1, QuestionMapping, QuestionsConfig
from rpt_core.errors import UserError
from rpt_core.problems.reference_answers import answers_in
from rpt_core.run.events import EventLog, EventType
from rpt_core.seeds import derive_seed
from rpt_core.text.chats import asked_in
from rpt_core.text.corpus import side_of, split_of
from rpt_core.text.files import RECORD_KINDS, DataFile
from rpt_core.text.finding import Found, Reader, find_files
from rpt_core.text.names import Names, text_digest, text_hash
from rpt_core.text.near_duplicates import near_duplicates
from rpt_core.text.readers import ReadingProgress, read_records
from rpt_core.text.records import BadRecord, Tally, label_of, usable
from rpt_core.tiny.questions import question_records
from rpt_core.words import counted

if TYPE_CHECKING:
    from rpt_core.text.tokens import Tokenizer

TINY_TEST_SHARE, TINY_TRAIN_SHARE = 0.05, 0.5
_MARGIN = 1.3
"""Documents beyond the expected number: a side's share varies."""
_HASHES = 2.0**63
"""`derive_seed` gives numbers below this."""


@dataclass(frozen=True)
class Question:
    """A question and its reference answers, of which any counts."""

    id: str
    text: str
    answers: tuple[str, ...]
    domain: str = ""

    @property
    def text_hash(self) -> bytes:
        """What its words are known by in every run."""
        return text_digest(self.text.encode())


@dataclass(frozen=True)
class QuestionSet:
    """The drawn questions of both sides, and what became of the other records."""

    train: list[Question]
    test: list[Question]
    name: str
    bad: int = 0
    bad_records: tuple[BadRecord, ...] = ()
    duplicates: int = 0
    near_duplicates: int = 0
    """Training questions passed over because they nearly equal a test question that was drawn."""
    notes: tuple[str, ...] = ()
    """What else became of the data, in sentences."""


@dataclass(frozen=True)
class PosedQuestion:
    """A question as a policy is given it. The first answer stands where a problem has its completion."""

    question: Question
    prompt_ids: list[int]
    """What the policy is given, special tokens included."""
    prompt: str
    """The same for people."""
    context_span: tuple[int, int] | None = None
    """Where the question begins and ends in `prompt`, in characters."""
    position: int = 0
    """A question has one place to answer, unlike a document."""
    byte_offset: int = 0
    entropy_nats: None = None
    """It is no position that a proxy model has read."""

    @cached_property
    def text_hash(self) -> bytes:
        """What its words are known by in every run."""
        return self.question.text_hash

    @property
    def document(self) -> str:
        """The question's id."""
        return self.question.id

    @property
    def domain(self) -> str:
        """The question's subject area."""
        return self.question.domain

    @property
    def completion(self) -> bytes:
        """The first reference answer."""
        return self.question.answers[0].encode()

    @property
    def boundaries(self) -> list[int]:
        """The answer counts as a whole."""
        return [len(self.completion)]


class Known(Protocol):
    """A question of either kind."""

    @property
    def id(self) -> str: ...
    @property
    def text_hash(self) -> bytes: ...


AnyQuestion = TypeVar("AnyQuestion", bound=Known)


def listed(questions: Iterable[AnyQuestion], names: Sequence[str], field: str) -> list[AnyQuestion]:
    """The questions of these names, in their order. field: of the config. Raises UserError for one that is not there.

    A name is an id, or a text's hash in hexadecimal; where a hash stands for several, it means the first.
    """
    found: dict[str, AnyQuestion] = {}
    for question in questions:
        found.setdefault(question.id, question)
        found.setdefault(question.text_hash.hex(), question)
    if wrong := next((name for name in names if name not in found), None):
        raise UserError(
            f"`{field}`: none of the questions has the id or the hash {wrong!r}. The questions, their draw and its "
            "seed must be those of the run that asked it; correct them, or the name."
        )
    return [found[name] for name in names]


def load_questions(config: QuestionsConfig) -> QuestionSet:
    """Read, split and draw. Raises UserError for missing files, too many bad records, too few questions."""
    tally, names = Tally(), Names()
    if config.source == "tiny":
        name = "tiny questions"
        train, test = _tiny_sides(config)
    else:
        name = ", ".join(Path(path).name for path in config.paths)
        train, test = _sides(_distinct(_read(config, tally), tally, names), config)
        tally.check(config.max_bad_share)
    if len(train) < config.train_questions or len(test) < config.test_questions:
        raise UserError(
            f"{counted(config.train_questions, 'question')} to train on and {config.test_questions} to test on are "
            f"asked for, but there are {len(train)} and {len(test)} on these sides; a hash of a question decides its "
            "side. Add questions, or lower `train_questions` and `test_questions`."
        )
    tested = _drawn(test, config.test_questions, config.seed)
    trained, near = _unlike(_drawn(train, len(train), config.seed), tested, config)
    notes = (*tally.notes(), *names.notes())
    return QuestionSet(trained, tested, name, tally.bad, tuple(tally.bad_records), tally.duplicates, near, notes)


def _tiny_sides(config: QuestionsConfig) -> tuple[list[Question], list[Question]]:
    """At least as many as are asked for on both sides, where the built-in corpus has so many problems.

    Test questions are of documents that every split with a `validation_share` of at least TINY_TEST_SHARE holds out,
    training questions of documents that every split up to 1 - TINY_TRAIN_SHARE trains on. So no test question is
    trained on by any stage, and RLVR trains on no held-out position.
    """
    shares = config.train_questions / TINY_TRAIN_SHARE, config.test_questions / TINY_TEST_SHARE
    made = question_records(math.ceil(_MARGIN * max(shares)) + 100, config.seed)
    questions = [Question(record["id"], record["text"], (record["answer"],), record["domain"]) for record in made]
    return (
        [question for question in questions if split_of(question.id, 1 - TINY_TRAIN_SHARE) == "train"],
        [question for question in questions if split_of(question.id, TINY_TEST_SHARE) == "validation"],
    )


def emit_questions(questions: QuestionSet, log: EventLog) -> None:
    """Say what was read; test questions stand as the validation side."""
    log.emit(
        EventType.CORPUS,
        name=questions.name,
        documents={"train": len(questions.train), "validation": len(questions.test)},
        bad=questions.bad,
        bad_records=[asdict(record) for record in questions.bad_records],
    )
    if questions.duplicates:
        words = f"{counted(questions.duplicates, 'question')} left out: the same words were read before."
        log.emit(EventType.LOG, level="info", message=words)
    if questions.near_duplicates:
        found = counted(questions.near_duplicates, "training question")
        words = f"{found} skipped as nearly equal to a test question (`near_duplicate_share`)."
        log.emit(EventType.LOG, level="info", message=words)
    for note in questions.notes:
        log.emit(EventType.LOG, level="warning", message=note)


def pose(
    questions: Iterable[Question], template: str, tokenizer: Tokenizer, max_prompt_tokens: int, date: str = PROMPT_DATE
) -> tuple[list[PosedQuestion], int]:
    """The questions in a template, and how many were left out because their prompt would be longer than allowed.

    date: see PromptConfig. Raises UserError when the template is no good. Control tokens written in a question are read
    as plain text.
    """
    from rpt_core.problems.problem import prompt_frame
    from rpt_core.problems.prompts import load_template
    from rpt_core.text.tokens import tokenise

    frame = prompt_frame(load_template(template), tokenizer, max_prompt_tokens, date)
    posed, too_long = list[PosedQuestion](), 0
    for question in questions:
        tokenised = tokenise(tokenizer, question.text)
        if len(tokenised.token_ids) > frame.max_context_tokens:
            too_long += 1
            continue
        ids = frame.before_ids + tokenised.token_ids + frame.after_ids
        posed.append(PosedQuestion(question, ids, frame.around(tokenised.text), frame.span(tokenised.text)))
    return posed, too_long


def _read(config: QuestionsConfig, tally: Tally) -> Iterator[tuple[Question, str]]:
    """Questions as they stand in the files, with the name of the file."""
    found = question_files(config)
    tally.left_out += found.notes
    for file in found.files:
        for question in read_questions(config, file, tally):
            yield question, file.name


def question_files(config: QuestionsConfig) -> Found:
    """The files that hold the questions. Raises UserError as `find_files` does."""
    return find_files(config.paths, Reader(RECORD_KINDS, fields=_fields(_mapping(config))))


def read_questions(
    config: QuestionsConfig, file: DataFile, tally: Tally, progress: ReadingProgress | None = None
) -> Iterator[Question]:
    """All usable questions of one file, as they stand there."""
    mapping = _mapping(config)
    yield from usable(
        str(file.path), read_records(file, _fields(mapping), progress), tally, partial(_question, mapping=mapping)
    )


def _fields(mapping: QuestionMapping) -> list[str]:
    return [name for name in mapping.model_dump().values() if name is not None]


def _mapping(config: QuestionsConfig) -> QuestionMapping:
    if isinstance(config.mapping, QuestionMapping):
        return config.mapping
    return SKYWORK_OR1 if config.mapping == "skywork_or1" else QuestionMapping()


def _question(record: dict[str, Any], mapping: QuestionMapping) -> Question:
    """A record as a question. Raises Unusable when it has no question or no answer."""
    text = asked_in(record, mapping.question)
    id_ = label_of(record, mapping.id) or text_hash(text)
    return Question(id_, text, answers_in(record, mapping.answer), label_of(record, mapping.domain))


def _distinct(questions: Iterable[tuple[Question, str]], tally: Tally, names: Names) -> Iterator[Question]:
    """The questions whose words are new, each with an id of its own."""
    seen: set[str] = set()
    for question, file in questions:
        side = side_of(question.text)
        if side in seen:
            tally.duplicates += 1
        else:
            yield replace(question, id=names.unique(question.id, file, question.text))
        seen.add(side)


def _sides(questions: Iterable[Question], config: QuestionsConfig) -> tuple[list[Question], list[Question]]:
    """Train and test questions; the sides have the sizes that are asked for, in proportion."""
    test_share = config.test_questions / (config.train_questions + config.test_questions)
    sides: tuple[list[Question], list[Question]] = [], []
    for question in questions:
        key = question.id if config.split_by == "id" else side_of(question.text)
        is_test = derive_seed("side of a question", key) / _HASHES < test_share
        sides[is_test].append(question)
    return sides


def _unlike(
    ordered: Sequence[Question], tested: Sequence[Question], config: QuestionsConfig
) -> tuple[list[Question], int]:
    """The first training questions that nearly equal no test question, and how many do and were passed over.

    Questions about the built-in corpus look alike and are different problems all the same, by their ids.
    """
    count, share = config.train_questions, config.near_duplicate_share
    if config.source == "tiny" or share is None:
        return list(ordered[:count]), 0
    chosen, read, texts = list[Question](), 0, [question.text for question in tested]
    while len(chosen) < count and read < len(ordered):
        some = ordered[read : read + count - len(chosen)]
        near = set(near_duplicates([question.text for question in some], texts, share))
        chosen += [question for number, question in enumerate(some) if number not in near]
        read += len(some)
    if len(chosen) < count:
        raise UserError(
            f"{counted(count, 'question')} to train on are asked for, but only {len(chosen)} are not near-duplicates "
            "of "
            "the test questions. Add questions, lower `train_questions`, or raise `near_duplicate_share`."
        )
    return chosen, read - len(chosen)


def _drawn(questions: Sequence[Question], count: int, seed: int) -> list[Question]:
    """The first questions of an order that follows from the seed and the ids."""
    return sorted(questions, key=lambda question: derive_seed(seed, "draw of questions", question.id))[:count]
