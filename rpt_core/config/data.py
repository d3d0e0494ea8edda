"""What is read: corpora, the token filter with its position sets, questions with answers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from rpt_core.config.base import (
    MOST_LISTED,
    Config,
    DifficultyConfig,
    InferenceConfig,
    ModelConfig,
    QuestionName,
    Seed,
    SetName,
    Share,
)
from rpt_core.config.limits import LIMITS, Nats, PassTokens, Records
from rpt_core.config.reads import Reads
from rpt_core.config.rules import Refusal


def _some_text(mapping: FieldMapping) -> Iterator[Refusal]:
    if mapping.text is None and (mapping.problem is None or mapping.solution is None):
        yield "", "Name either `text`, or both `problem` and `solution`."


class FieldMapping(Config):
    """Which fields of a record hold what; a dotted name reaches into nested objects."""

    rules = (_some_text,)

    text: str | None = "text"
    """Field with the whole text; leave empty when problem and solution are separate."""
    problem: str | None = None
    """Field with the problem statement: a text, or chat messages of which the user's last turn counts."""
    solution: str | None = None
    """Field with the worked solution (or the assistant's last turn); positions can be limited to this part."""
    id: str | None = None
    """Field that names the document; without it, a hash of its text does."""
    answer: str | None = None
    """Field with the final answer, kept as metadata."""
    domain: str | None = None
    """Field with the subject area, kept as metadata."""
    difficulty: str | None = None
    """Field with the source's own difficulty, kept as metadata."""


OMNI_MATH = FieldMapping(
    text=None, problem="problem", solution="solution", answer="answer", domain="domain", difficulty="difficulty"
)
"""The public fields of the OmniMATH corpus used in the paper."""


def _some_paths(corpus: CorpusConfig) -> Iterator[Refusal]:
    if corpus.source == "files" and not corpus.paths:
        yield "paths", "Name at least one file or folder of documents, or set `source: tiny`."


class CorpusConfig(Config):
    """Where documents come from and how they are split."""

    rules = (_some_paths,)

    source: Literal["files", "tiny"] = "files"
    """`files` reads the paths below; `tiny` generates the built-in corpus of worked mathematics."""
    paths: tuple[Annotated[str, Reads.DATA], ...] = ()
    """Files or folders of documents: .jsonl, .ndjson, .json, .csv, .tsv (also packed as .gz, .zst or .bz2), .parquet,
    .arrow, .txt, and folders saved by `datasets`."""
    format: Literal["auto", "jsonl", "json", "csv", "parquet", "arrow", "text"] = "auto"
    """File format; `auto` goes by the file's ending."""
    mapping: Literal["text", "omni_math"] | FieldMapping = "text"
    """`text`, `omni_math`, or your own field names."""
    validation_share: Share = 0.05
    """Share of documents held out; a hash of the problem, or of the text where there is none, decides, so that none
    ever changes sides."""
    split_by: Literal["problem", "id"] = "problem"
    """What the hash is taken of. `id` keeps the sides of a run from before ids and problems were told apart."""
    near_duplicate_share: Annotated[float, Field(gt=0, le=1)] | None = 0.8
    """Training documents with at least this share of five-word runs in common with a held-out one are left out; empty
    keeps them all. The built-in corpus is exempt."""
    max_bad_share: Share = 0.01
    """A run stops when more than this share of the records is unusable."""
    max_documents: Records | None = None
    """Read at most this many documents of each split."""
    tiny_part: Literal["pretrain", "cold", "problems"] = "problems"
    """Which part of the built-in corpus: pre-training text, cold-start problems, or the problems of RPT."""
    tiny_documents: Annotated[int, Field(gt=0), LIMITS["made documents"]] = 2000
    """How many documents of that part to generate, before the split."""
    tiny_seed: Seed = 0
    """Seed of the built-in corpus; the same seed gives the same documents."""

    def field_mapping(self) -> FieldMapping:
        """The mapping as an object."""
        if isinstance(self.mapping, FieldMapping):
            return self.mapping
        return OMNI_MATH if self.mapping == "omni_math" else FieldMapping()

    def has_solutions(self) -> bool:
        """Whether documents have a part that is their solution."""
        return self.source == "tiny" or self.field_mapping().solution is not None


class PositionSetConfig(DifficultyConfig):
    """A stored, named set of held-out positions."""

    name: SetName
    """Name of the set; evaluations refer to it."""


NO_SOLUTIONS = (
    "The corpus does not say which part of a document is its solution. Use `document`, or a `corpus.mapping` with "
    "`problem` and `solution`."
)


def _list_with_its_file(config: FilterConfig) -> Iterator[Refusal]:
    if (config.keep == "list") != (config.position_list is not None):
        yield "position_list", "This and `keep: list` go together. Give both or neither."


def _keeps_some(config: FilterConfig) -> Iterator[Refusal]:
    if config.keep in ("top_share", "random") and config.keep_share == 0:
        yield "keep_share", f"With 0 and `keep: {config.keep}`, no position is kept. Give a number above 0."


def _threshold_can_be_passed(config: FilterConfig) -> Iterator[Refusal]:
    most = _most_entropy(config)
    if config.keep == "threshold" and config.min_entropy_nats > most:
        yield "min_entropy_nats", f"{_beyond(config, most)} no position is kept."


def _sets_can_be_filled(config: FilterConfig) -> Iterator[Refusal]:
    most = _most_entropy(config)
    for number, wanted in enumerate(config.position_sets):
        if wanted.easy_nats >= most:
            yield f"position_sets.{number}.easy_nats", f"{_beyond(config, most)} the set would be empty."


def _sets_have_documents(config: FilterConfig) -> Iterator[Refusal]:
    if config.position_sets and config.corpus.validation_share == 0:
        yield "corpus.validation_share", "`position_sets` are drawn from held-out documents. Give a number above 0."


def _most_entropy(config: FilterConfig) -> float:
    """The most that a position can have: the top k are equally likely. Without a limit for the full vocabulary."""
    return math.inf if config.entropy == "full" else math.log(config.top_k)


def _beyond(config: FilterConfig, most: float) -> str:
    return f"Over the {config.top_k} most probable tokens (`top_k`) entropy is at most {most:.2f} nats: with more,"


def _solutions_are_known(config: FilterConfig) -> Iterator[Refusal]:
    if config.positions_from == "solution" and not config.corpus.has_solutions():
        yield "positions_from", NO_SOLUTIONS


class FilterConfig(InferenceConfig):
    """Stage `filter`: proxy-model entropy at each position, and the positions worth training on."""

    rules = (
        _list_with_its_file,
        _keeps_some,
        _threshold_can_be_passed,
        _sets_can_be_filled,
        _sets_have_documents,
        _solutions_are_known,
    )

    stage: Literal["filter"] = "filter"
    seed: Seed = 0
    """Seed of the random choice."""
    corpus: CorpusConfig
    proxy: ModelConfig
    """The small model whose uncertainty is measured."""
    top_k: Annotated[int, Field(gt=1), LIMITS["vocabulary"]] = 16
    """Entropy is taken over this many most probable tokens."""
    entropy: Literal["renormalised", "partial", "full"] = "renormalised"
    """Renormalised over the top k, their partial sum, or the full vocabulary."""
    keep: Literal["threshold", "top_share", "random", "list"] = "threshold"
    """How training positions are chosen; `random` is the control, `list` takes those named in `position_list`."""
    min_entropy_nats: Nats = 1.0
    """`threshold`: keep positions of at least this entropy, in nats."""
    keep_share: Share = 0.2
    """`top_share` and `random`: keep this share of all positions."""
    positions_from: Literal["document", "solution"] = "document"
    """Use every position, or only those in the solution part of a document."""
    max_positions_per_document: Records | None = None
    """At most this many kept positions of one document, chosen at random."""
    batch_tokens: PassTokens = 16384
    """Padded tokens in one forward pass."""
    chunk_positions: PassTokens = 2048
    """Positions whose logits exist at one time; bounds memory."""
    position_list: Annotated[str, Reads.DATA] | None = None
    """`list`: JSON lines with `document` and `position`, such as the lists that an RPT run writes."""
    position_sets: tuple[PositionSetConfig, ...] = ()
    """Held-out position sets to draw and store under a name, so that checkpoints are compared position by position."""


class QuestionMapping(Config):
    """Which fields of a record hold the question and its answer; a dotted name reaches into nested objects."""

    question: str = "question"
    """Field with the question: a text, or chat messages of which the user's last turn counts."""
    answer: str = "answer"
    """Field with the reference answer: a text or number, a list of them of which any counts, or chat messages of which
    the assistant's last turn counts."""
    id: str | None = None
    """Field that names the question; without it, the hash of the question does."""
    domain: str | None = None
    """Field with the subject area, kept as metadata."""


SKYWORK_OR1 = QuestionMapping(question="prompt", answer="reward_model.ground_truth", domain="data_source")
"""The public fields of Skywork-OR1's training data, used in the paper's Table 2."""


def _some_files(questions: QuestionsConfig) -> Iterator[Refusal]:
    if questions.source == "files" and not questions.paths:
        yield "paths", "Name at least one file or folder of questions, or set `source: tiny`."


def each_question_once(config: Any) -> Iterator[Refusal]:
    """Rule: no question is listed twice."""
    if twice := sorted({name for name in config.listed_questions if config.listed_questions.count(name) > 1}):
        yield "listed_questions", f"{twice[0]!r} stands here twice. Name each question once."


class QuestionsConfig(Config):
    """Questions with answers that can be checked, split into training and test questions."""

    rules = (_some_files, each_question_once)

    source: Literal["files", "tiny"] = "files"
    """`files` reads the paths below; `tiny` asks for the answers of the built-in corpus."""
    paths: tuple[Annotated[str, Reads.DATA], ...] = ()
    """Files or folders of records: .jsonl, .ndjson, .json, .csv, .tsv (also packed as .gz, .zst or .bz2), .parquet,
    .arrow, and folders saved by `datasets`."""
    mapping: Literal["plain", "skywork_or1"] | QuestionMapping = "plain"
    """`plain` (question, answer), `skywork_or1`, or your own field names."""
    train_questions: Records = 256
    """Questions to train on, drawn by the seed."""
    test_questions: Records = 200
    """Other questions to test on, drawn by the seed; a hash of the question keeps the two apart."""
    split_by: Literal["problem", "id"] = "problem"
    """What the hash is taken of: the question's words, or its id as in runs made before the two were told apart."""
    near_duplicate_share: Annotated[float, Field(gt=0, le=1)] | None = 0.8
    """Training questions with at least this share of five-word runs in common with a drawn test question are passed
    over; empty takes them all. The built-in questions are exempt."""
    max_bad_share: Share = 0.01
    """A run stops when more than this share of the records is unusable."""
    seed: Seed = 0
    """Seed of the draw; the same seed gives the same questions whatever the run's seed."""
    listed_questions: Annotated[tuple[QuestionName, ...], Field(max_length=MOST_LISTED)] = ()
    """Only ask these of the drawn questions, and train nothing: each by its id, or by the hash in the address of the
    question's page. They are asked as test questions are. Empty trains and tests."""

    def field_mapping(self) -> QuestionMapping:
        """The mapping as an object."""
        if isinstance(self.mapping, QuestionMapping):
            return self.mapping
        return SKYWORK_OR1 if self.mapping == "skywork_or1" else QuestionMapping()
