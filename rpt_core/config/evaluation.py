"""The stages that measure: evaluate, templates, benchmark, analyse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from rpt_core.config.base import (
    MOST_LISTED,
    PROMPT_DATE,
    Config,
    Day,
    DifficultyConfig,
    InferenceConfig,
    ModelConfig,
    PlaceName,
    PromptConfig,
    QuestionName,
    SamplingConfig,
    Seed,
    SetName,
    Share,
)
from rpt_core.config.data import each_question_once
from rpt_core.config.limits import AtOnce, Records, Resamplings, TextTokens
from rpt_core.config.reads import Reads
from rpt_core.config.rules import Refusal, Rule

Mode = Literal["standard", "sampled", "greedy"]


def _one_choice(config: HeldOutConfig) -> Iterator[Refusal]:
    if config.position_set is not None and config.listed_positions:
        yield "listed_positions", "Give these or `position_set`, not both."


def _each_once(config: HeldOutConfig) -> Iterator[Refusal]:
    if twice := sorted({name for name in config.listed_positions if config.listed_positions.count(name) > 1}):
        yield "listed_positions", f"{twice[0]!r} stands here twice. Name each position once."


class HeldOutConfig(DifficultyConfig):
    """The held-out positions that something is measured on."""

    rules: ClassVar[tuple[Rule, ...]] = (*DifficultyConfig.rules, _one_choice, _each_once)

    positions: Annotated[str, Reads.RUN]
    """Folder of a finished filter run; its validation split is used."""
    position_set: SetName | None = None
    """Name of a position set that the filter run stored; empty draws one by the thresholds and the seed."""
    listed_positions: Annotated[tuple[PlaceName, ...], Field(max_length=MOST_LISTED)] = ()
    """Only these positions, each as `TEXT:BYTE`: the hash of the document's text, or its id, and the byte where the
    completion begins, as on the position's page. Training documents count as well. Empty takes the set or the sample
    above."""


class EvaluationConfig(HeldOutConfig):
    """Next-token accuracy at held-out positions, standard and reasoning (Table 1)."""

    modes: Annotated[tuple[Mode, ...], Field(min_length=1)] = ("standard", "sampled", "greedy")
    """Argmax without thinking; responses at the sampling temperature; one greedy response."""
    samples: AtOnce = 1
    """Sampled responses for each position; more than one also gives pass@k and the majority vote."""


class EvaluateConfig(InferenceConfig):
    """Stage `evaluate`: one checkpoint on one position set."""

    stage: Literal["evaluate"] = "evaluate"
    model: ModelConfig
    evaluation: EvaluationConfig
    prompt: PromptConfig = PromptConfig()
    sampling: SamplingConfig = SamplingConfig()

    @property
    def seed(self) -> int:
        """The seed of the position set and of sampling."""
        return self.evaluation.seed


class TemplatesConfig(InferenceConfig):
    """Stage `templates`: prompt templates compared on one position set (Tables 8 and 10)."""

    stage: Literal["templates"] = "templates"
    model: ModelConfig
    held_out: HeldOutConfig
    templates: Annotated[tuple[Annotated[str, Reads.TEMPLATE], ...], Field(min_length=1)] = (
        "v0",
        "v1",
        "v2",
        "v3",
        "v4",
        "v5",
        "v6",
    )
    """Names of built-in templates or paths of text files; the first one is what the others are compared with."""
    samples: AtOnce = 8
    """Responses for each position and template: their mean is Random@1, their best Pass@k."""
    max_prompt_tokens: TextTokens = 4096
    """Longer contexts are cut from the left, on a token boundary."""
    completion_tokens: TextTokens = 32
    """Tokens of the true continuation that are kept for the reward."""
    prompt_date: Day = PROMPT_DATE
    """The date that the model's chat template gets as today's, if it writes one (Llama 3.2, Granite)."""
    sampling: SamplingConfig = SamplingConfig()

    @property
    def seed(self) -> int:
        """The seed of the position set and of sampling."""
        return self.held_out.seed


def _some_paths(config: BenchmarkConfig) -> Iterator[Refusal]:
    if config.format != "tiny" and not config.paths:
        yield "paths", "Name at least one file or folder of questions, or set `format: tiny`."


def _one_choice_of_questions(config: BenchmarkConfig) -> Iterator[Refusal]:
    if config.listed_questions and config.per_category is not None:
        yield "listed_questions", "Give these or `per_category`, not both."


def _several_only_of_listed(config: BenchmarkConfig) -> Iterator[Refusal]:
    if config.samples == 1:
        return
    if not config.listed_questions:
        yield (
            "samples",
            "A benchmark asks for one response to each question. Name some in `listed_questions`, or give 1.",
        )
    elif "reasoning" not in config.modes:
        yield "samples", "Only the mode `reasoning` writes responses. Add it to `modes`, or give 1."
    elif config.sampling.temperature == 0:
        yield "sampling.temperature", "At 0 all responses to a question would be equal. Use 0.8, for instance."


class BenchmarkConfig(InferenceConfig):
    """Stage `benchmark`: multiple-choice questions, standard and reasoning (Table 3)."""

    rules = (_some_paths, each_question_once, _one_choice_of_questions, _several_only_of_listed)

    stage: Literal["benchmark"] = "benchmark"
    model: ModelConfig
    name: str = "multiple choice"
    """Name of the benchmark in tables."""
    format: Literal["mmlu_pro", "supergpqa", "generic", "tiny"] = "generic"
    """The public formats of MMLU-Pro and SuperGPQA; `generic`: question, options, answer, category; `tiny`: questions
    about the built-in corpus."""
    paths: tuple[Annotated[str, Reads.DATA], ...] = ()
    """Files or folders of records: .jsonl, .ndjson, .json, .csv, .tsv (also packed as .gz, .zst or .bz2), .parquet,
    .arrow, and folders saved by `datasets`."""
    per_category: Records | None = None
    """Questions of each category, drawn by the seed (200 in the paper); empty takes all."""
    listed_questions: Annotated[tuple[QuestionName, ...], Field(max_length=MOST_LISTED)] = ()
    """Only these questions, each by its id, or by the hash in the address of the question's page. Empty takes all, or
    the draw above."""
    samples: AtOnce = 1
    """Responses to each listed question. The accuracies count the first of them; all are stored."""
    modes: Annotated[tuple[Literal["standard", "reasoning"], ...], Field(min_length=1)] = ("standard", "reasoning")
    """Argmax over the options without thinking; one response that thinks first."""
    answer_as: Literal["letter", "text"] = "letter"
    """Answers are option letters, or the options' own texts (for models that know no letters)."""
    template: Annotated[str, Reads.TEMPLATE] = "multiple_choice"
    """Built-in template of the reasoning mode (`multiple_choice`, `question_plain`) or a text file with `{context}`."""
    max_prompt_tokens: TextTokens = 4096
    """Questions whose prompt is longer are left out, and counted."""
    prompt_date: Day = PROMPT_DATE
    """The date that the model's chat template gets as today's, if it writes one (Llama 3.2, Granite)."""
    sampling: SamplingConfig = SamplingConfig(temperature=0.8, max_response_tokens=12288)
    max_bad_share: Share = 0.01
    """A run stops when more than this share of the records is unusable."""
    seed: Seed = 0
    """Seed of the draw and of sampling."""
    sampling_seed: Seed | None = None
    """Seed of sampling, where the same questions are to get other responses; empty takes the one above."""


class ComparisonConfig(Config):
    """Two models, or two modes of one, position by position."""

    name: str
    """Heading of the comparison."""
    a: Annotated[str, Reads.DATA]
    """Outcomes of an evaluation (Parquet): the one compared with."""
    b: Annotated[str, Reads.DATA]
    """Outcomes of another evaluation of the same positions."""
    mode_a: Mode = "sampled"
    """Which of a's modes counts."""
    mode_b: Mode = "sampled"
    """Which of b's modes counts."""


class FrontierConfig(Config):
    """Hybrid thinking: think only where the policy's own standard entropy is above tau."""

    name: str
    """Heading of the frontier."""
    outcomes: Annotated[str, Reads.DATA]
    """Outcomes of an evaluation (Parquet) with the standard mode and the mode below."""
    mode: Literal["sampled", "greedy"] = "sampled"
    """How the model answers where it thinks."""


class ResponsesConfig(Config):
    """Responses of one model."""

    model: str
    """How the model is called in tables."""
    shards: tuple[Annotated[str, Reads.DATA], ...]
    """Parquet shards of its rollouts."""


class PatternsConfig(Config):
    """Reasoning patterns in responses (Table 9, Fig. 6)."""

    responses: Annotated[tuple[ResponsesConfig, ...], Field(min_length=1)]
    """Models with their responses; the first is what the others are compared with."""
    keywords: Annotated[str, Reads.KEYWORDS] = "paper"
    """Built-in keyword list (`paper`, `tiny`) or the path of a YAML file with `version` and `groups`."""
    max_responses: Records = 200
    """Responses of each model, drawn by the seed (200 in the paper)."""


class ScalingConfig(Config):
    """Accuracy over compute: P(C) = A / C^alpha + P* (Eq. 5, Fig. 5)."""

    name: str
    """Heading of the fit."""
    run: Annotated[str, Reads.RUN]
    """Folder of an RPT run that was evaluated at several steps."""
    mode: Mode = "sampled"
    """Which accuracy is fitted."""
    x: Literal["flops", "gpu_hours", "tokens"] = "flops"
    """Compute in FLOPs, device hours of sampling and update, or tokens processed."""
    bootstrap: Resamplings = 1000
    """Resamplings of the positions behind the band."""
    ceiling: Share | None = None
    """Accuracy that no model can exceed, where it is known; it is drawn, and a limit above it is pointed out."""


def _some_work(config: AnalyseConfig) -> Iterator[Refusal]:
    if not (config.comparisons or config.frontiers or config.patterns or config.scaling):
        yield "", "Nothing to do. Give at least one of comparisons, frontiers, patterns, scaling."


class AnalyseConfig(Config):
    """Stage `analyse`: tables and figures from stored results; no model is loaded."""

    rules = (_some_work,)

    stage: Literal["analyse"] = "analyse"
    seed: Seed = 0
    """Seed of bootstraps and of drawn responses."""
    bootstrap: Resamplings = 10000
    """Resamplings of paired differences."""
    comparisons: tuple[ComparisonConfig, ...] = ()
    """Pairs of evaluations to compare position by position."""
    frontiers: tuple[FrontierConfig, ...] = ()
    """Evaluations for which hybrid thinking is worked out."""
    patterns: PatternsConfig | None = None
    """Responses whose reasoning patterns are counted; empty for none."""
    scaling: tuple[ScalingConfig, ...] = ()
    """Runs whose accuracy over compute is fitted."""
