"""Questions with answers that can be checked: read, split into train and test, drawn by a seed, put into prompts.

In: a QuestionsConfig; later a policy's tokenizer and a template. Out: a QuestionSet, and PosedQuestions. The paper
takes 256 questions to train on and 200 to test on from Skywork-OR1 (Table 2). Which side a question is on follows from
a hash of its id, not from the seed: with the same counts no run trains on what another one tests on. Each side is put
into an order that follows from seed and id, and its first questions are taken. A question that was read before, by its
id or by its words, is left out, so that none stands on both sides.

Skywork-OR1's records hold chat messages in `prompt` and a JSON list of answers in the text `reward_model.ground_truth`;
its programming tasks have test cases there instead, and count as unusable.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rpt_core.config import SKYWORK_OR1, QuestionMapping, QuestionsConfig
from rpt_core.errors import UserError
from rpt_core.events import EventLog, EventType
from rpt_core.records import (
    BadRecord,
    Tally,
    Unusable,
    checked_text,
    field_of,
    find_files,
    label_of,
    read_records,
    usable,
)
from rpt_core.seeds import derive_seed
from rpt_core.words import counted

if TYPE_CHECKING:
    from rpt_core.tokens import Tokenizer

FORMATS = (".jsonl", ".parquet")
_HASHES = 2.0**63
"""`derive_seed` gives numbers below this."""


@dataclass(frozen=True)
class Question:
    """A question and its reference answers, of which any counts."""

    id: str
    text: str
    answers: tuple[str, ...]
    domain: str = ""


@dataclass(frozen=True)
class QuestionSet:
    """The drawn questions of both sides, and what became of the other records."""

    train: list[Question]
    test: list[Question]
    name: str
    bad: int = 0
    bad_records: tuple[BadRecord, ...] = ()
    duplicates: int = 0


@dataclass(frozen=True)
class PosedQuestion:
    """A question as a policy is given it. The first answer stands where a problem has its completion."""

    question: Question
    prompt_ids: list[int]
    """What the policy is given, special tokens included."""
    prompt: str
    """The same for people."""
    position: int = 0
    """A question has one place to answer, unlike a document."""
    byte_offset: int = 0
    entropy_nats: None = None
    """It is no position that a proxy model has read."""

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


def load_questions(config: QuestionsConfig) -> QuestionSet:
    """Read, split and draw. Raises UserError for missing files, too many bad records, too few questions."""
    tally = Tally()
    if config.source == "tiny":
        from rpt_core.tiny.questions import question_pools

        name = "tiny questions"
        train, test = question_pools(config.train_questions, config.test_questions, config.seed)
    else:
        name = ", ".join(Path(path).name for path in config.paths)
        train, test = _sides(_distinct(_read(config, tally), tally), config)
        tally.check(config.max_bad_share)
    if len(train) < config.train_questions or len(test) < config.test_questions:
        raise UserError(
            f"{counted(config.train_questions, 'question')} to train on and {config.test_questions} to test on are "
            f"asked for, but there are {len(train)} and {len(test)} on these sides; a hash of a question's id decides "
            "its side. Add questions, or lower `train_questions` and `test_questions`."
        )
    drawn = _drawn(train, config.train_questions, config.seed), _drawn(test, config.test_questions, config.seed)
    return QuestionSet(*drawn, name, tally.bad, tuple(tally.bad_records), tally.duplicates)


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
        log.emit(EventType.LOG, level="info", message=f"Questions left out as duplicates: {questions.duplicates}.")


def pose(
    questions: Iterable[Question], template: str, tokenizer: Tokenizer, max_prompt_tokens: int
) -> tuple[list[PosedQuestion], int]:
    """The questions in a template, and how many were left out because their prompt would be longer than allowed.

    Raises UserError when the template is no good. Special tokens written in a question are read as plain text.
    """
    from rpt_core.problems import prompt_frame
    from rpt_core.prompts import load_template
    from rpt_core.tokens import tokenise

    frame = prompt_frame(load_template(template), tokenizer, max_prompt_tokens)
    posed, too_long = list[PosedQuestion](), 0
    for question in questions:
        tokenised = tokenise(tokenizer, question.text)
        if len(tokenised.token_ids) > frame.max_context_tokens:
            too_long += 1
            continue
        ids = frame.before_ids + tokenised.token_ids + frame.after_ids
        posed.append(PosedQuestion(question, ids, f"{frame.before}{tokenised.text}{frame.after}"))
    return posed, too_long


def _read(config: QuestionsConfig, tally: Tally) -> Iterator[Question]:
    mapping = _mapping(config)
    wanted = [name for name in mapping.model_dump().values() if name is not None]
    for path in find_files(config.paths, formats=FORMATS):
        yield from usable(str(path), read_records(path, wanted), tally, partial(_question, mapping=mapping))


def _mapping(config: QuestionsConfig) -> QuestionMapping:
    if isinstance(config.mapping, QuestionMapping):
        return config.mapping
    return SKYWORK_OR1 if config.mapping == "skywork_or1" else QuestionMapping()


def _question(record: dict[str, Any], mapping: QuestionMapping) -> Question:
    """A record as a question. Raises Unusable when it has no question or no answer."""
    text = _last_message(field_of(record, mapping.question), mapping.question)
    id_ = label_of(record, mapping.id) or hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return Question(id_, text, _answers(record, mapping.answer), label_of(record, mapping.domain))


def _last_message(value: Any, name: str) -> str:
    """A text, or what the last of several chat messages says."""
    if isinstance(value, list):
        last = value[-1] if value else None
        value = last.get("content") if isinstance(last, dict) else None
        if value is None:
            raise Unusable(f"field `{name}` holds no chat message with a `content`")
    if value is None:
        raise Unusable(f"no field `{name}`")
    return checked_text(value, name)


def _answers(record: dict[str, Any], name: str) -> tuple[str, ...]:
    """A text or number, a list of them, or a text that holds a JSON list of texts."""
    value = field_of(record, name)
    if isinstance(value, str):
        value = _listed(value, name)
    values = value if isinstance(value, list) else [value]
    if not values or any(isinstance(item, bool) or not isinstance(item, str | int | float) for item in values):
        raise Unusable(f"no field `{name}`" if value is None else f"field `{name}` is no answer")
    return tuple(dict.fromkeys(checked_text(str(item), name).strip() for item in values))


def _listed(text: str, name: str) -> Any:
    """The list that a text holds as JSON; the text itself when it is none, such as the interval [0, 1]."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, dict) and value:
        raise Unusable(f"field `{name}` holds an object, such as the test cases of a programming task, and no answer")
    return value if isinstance(value, list) and all(isinstance(item, str) for item in value) else text


def _distinct(questions: Iterable[Question], tally: Tally) -> Iterator[Question]:
    """The questions whose id and words are new."""
    seen: set[str] = set()
    for question in questions:
        marks = {f"id {question.id}", f"text {' '.join(question.text.split()).casefold()}"}
        if marks & seen:
            tally.duplicates += 1
        else:
            yield question
        seen |= marks


def _sides(questions: Iterable[Question], config: QuestionsConfig) -> tuple[list[Question], list[Question]]:
    """Train and test questions; the sides have the sizes that are asked for, in proportion."""
    test_share = config.test_questions / (config.train_questions + config.test_questions)
    sides: tuple[list[Question], list[Question]] = [], []
    for question in questions:
        is_test = derive_seed("side of a question", question.id) / _HASHES < test_share
        sides[is_test].append(question)
    return sides


def _drawn(questions: Sequence[Question], count: int, seed: int) -> list[Question]:
    """The first questions of an order that follows from the seed and the ids."""
    return sorted(questions, key=lambda question: derive_seed(seed, "draw of questions", question.id))[:count]
