"""What several stages share: the base class of all configs, models, optimiser, budget, prompts, sampling."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from rpt_core.config.limits import (
    LIMITS,
    AtOnce,
    Devices,
    Factor,
    Nats,
    Records,
    Steps,
    StepsOrNone,
    TextTokens,
)
from rpt_core.config.reads import Reads
from rpt_core.config.rules import Refusal, Rule, decidable, refused, sound_part

Stage = Literal[
    "filter", "ntp", "sft", "rpt", "expert_iteration", "rlvr", "evaluate", "templates", "benchmark", "analyse"
]
Split = Literal["train", "validation"]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Seed = Annotated[int, Field(ge=-(2**31), lt=2**31)]
"""The database holds 32 bits."""
SetName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
"""Of a stored set of positions; it is part of a file's name."""
PlaceName = Annotated[str, Field(pattern=r"^[^\n]{1,500}:[0-9]{1,10}$")]
"""A position: the hash of the document's text, or its id, and the byte where the completion begins."""
QuestionName = Annotated[str, Field(pattern=r"^[^\n]{1,500}$")]
"""A question: the hash of its text, or its id."""
MOST_LISTED = 10_000
"""Positions or questions that a config names."""


def _a_day(text: str) -> str:
    with suppress(ValueError):
        if datetime.date.fromisoformat(text).isoformat() == text:
            return text
    raise ValueError("This is not a date of the calendar. Write one such as 2025-06-09.")


Day = Annotated[str, AfterValidator(_a_day)]
PROMPT_DATE = "2025-06-09"
"""One date for all prompts: those of a run that goes on another day, and of the evaluations of its model, are equal."""


class Config(BaseModel):
    """Base of all: unknown fields are refused, objects never change, field docstrings become help texts."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)
    rules: ClassVar[tuple[Rule, ...]] = ()
    """What fields must be to each other."""

    @model_validator(mode="wrap")
    @classmethod
    def _all_at_once(cls, values: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        """Tell wrong fields and broken rules together, as far as these can be decided on the fields that are right."""
        try:
            config = validate(values)
        except ValidationError as error:
            is_object = isinstance(values, Mapping)
            if is_object and (refusals := decidable(cls.rules, sound_part(cls, values))):
                raise refused(cls.__name__, values, refusals, error.errors(include_url=False)) from None
            raise
        if refusals := [refusal for rule in cls.rules for refusal in rule(config)]:
            raise refused(cls.__name__, values, refusals, [])
        return config


class ModelConfig(Config):
    """A causal language model in the Hugging Face layout."""

    path: Annotated[str, Reads.MODEL]
    """Folder of a checkpoint, or the name of a model on a hub."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of the computation. Training always keeps weights and optimiser state in float32."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` uses a GPU if there is one."""


_Beta = Annotated[float, Field(ge=0, lt=1)]


class OptimiserConfig(Config):
    """AdamW."""

    learning_rate: Annotated[float, Field(gt=0), LIMITS["learning rate"]] = 1e-6
    """Peak learning rate: AdamW moves each weight by about this much in a step."""
    betas: tuple[_Beta, _Beta] = (0.9, 0.999)
    """Adam's two averaging factors."""
    weight_decay: Factor = 0.01
    """Decoupled weight decay."""
    max_grad_norm: Annotated[float, Field(gt=0), LIMITS["factor"]] = 0.2
    """Gradients are scaled down to this norm."""
    warmup_steps: StepsOrNone = 0
    """Steps of linear warm-up."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """How the learning rate changes after the warm-up."""
    final_share: Share = 0.1
    """Learning rate at the end, as a share of the peak (linear and cosine)."""


class TrackersConfig(Config):
    """Where else the numbers of each step go; the platform has them in any case."""

    tensorboard: bool = False
    """Write them for TensorBoard too, into the run's folder `tensorboard`."""
    wandb_project: Annotated[str, Field(pattern=r"^$|^[^/\\#?%:\s]{1,128}(/[^/\\#?%:\s]{1,128})?$")] = ""
    """Send them to this Weights & Biases project too, given as PROJECT or ENTITY/PROJECT. Empty sends nothing."""
    wandb_offline: bool = False
    """Write what would be sent into the run's folder `wandb`; `wandb sync` sends it later."""


def _one_limit(budget: BudgetConfig) -> Iterator[Refusal]:
    limits = (budget.epochs, budget.steps, budget.tokens, budget.flops, budget.flops_of)
    if sum(value is not None for value in limits) != 1:
        yield "", "Give exactly one of epochs, steps, tokens, flops, flops_of."


class BudgetConfig(Config):
    """When training ends: exactly one limit."""

    rules = (_one_limit,)

    epochs: Annotated[float, Field(gt=0), LIMITS["passes"]] | None = None
    """Passes over the data."""
    steps: Steps | None = None
    """Optimiser steps."""
    tokens: Annotated[int, Field(gt=0), LIMITS["tokens in all"]] | None = None
    """Tokens that are trained on, counted as docs/method.md says."""
    flops: Annotated[float, Field(gt=0), LIMITS["compute"]] | None = None
    """Training compute in floating-point operations, counted as docs/method.md says."""
    flops_of: Annotated[str, Reads.RUN] | None = None
    """Folder of another run: train for as much compute as it has spent (a baseline on equal compute)."""


class PromptConfig(Config):
    """How a position becomes a prompt."""

    template: Annotated[str, Reads.TEMPLATE] = "v0"
    """Built-in template (`v0`, `plain`) or the path of a text file with a `{context}` field."""
    max_prompt_tokens: TextTokens = 4096
    """Longer contexts are cut from the left, on a token boundary."""
    completion_tokens: TextTokens = 32
    """Tokens of the true continuation that are kept for the reward."""
    date: Day = PROMPT_DATE
    """The date that the model's chat template gets as today's, if it writes one (Llama 3.2, Granite)."""


class SamplingConfig(Config):
    """How responses are sampled."""

    temperature: Annotated[float, Field(ge=0), LIMITS["temperature"]] = 0.8
    """Sampling temperature; 0 is greedy."""
    max_response_tokens: TextTokens = 8192
    """A response cut by this limit gets reward 0."""
    batch_rows: AtOnce = 512
    """Rows decoded together."""
    record_tokens: Literal["none", "boxed", "all"] = "none"
    """Which tokens of each response are stored with id, log-prob and entropy: `boxed` are those inside the box. Each
    takes about 12 bytes on disk. The backend vLLM tells no entropy, the engine verl records none."""


class VllmConfig(Config):
    """How vLLM is started, where it samples or scores."""

    tensor_parallel: Devices = 1
    """GPUs that share one copy of the model."""
    data_parallel: Devices = 1
    """Copies of the model, each in a process and on GPUs of its own; for stages that do not train."""
    gpu_memory_share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of a GPU's memory that vLLM takes for weights and keys; the rest is for training."""


class InferenceConfig(Config):
    """What stages share that sample responses or score texts."""

    rollout_backend: Literal["auto", "transformers", "vllm"] = "auto"
    """The backend that samples and scores: `auto` uses vLLM if it is installed and there is a GPU."""
    vllm: VllmConfig = VllmConfig()


def _medium_within_easy(config: DifficultyConfig) -> Iterator[Refusal]:
    if config.medium_nats < config.easy_nats:
        yield "medium_nats", f"The levels must not decrease. Give at least `easy_nats`, {config.easy_nats:g}."


def _hard_within_medium(config: DifficultyConfig) -> Iterator[Refusal]:
    if config.hard_nats < config.medium_nats:
        yield "hard_nats", f"The levels must not decrease. Give at least `medium_nats`, {config.medium_nats:g}."


PAPER_NATS = {"easy": 0.5, "medium": 1.0, "hard": 1.5}
"""The paper's nested levels: positions with more entropy than this, in nats (Table 1)."""
DIFFICULTIES = tuple(PAPER_NATS)
"""From the widest level to the narrowest."""


class DifficultyConfig(Config):
    """Nested levels, by the proxy model's entropy in nats (Table 1)."""

    rules: ClassVar[tuple[Rule, ...]] = (_medium_within_easy, _hard_within_medium)

    positions_per_difficulty: Records = 400
    """At most this many positions of each difficulty, drawn once by the seed."""
    easy_nats: Nats = PAPER_NATS["easy"]
    """Easy positions have more entropy than this."""
    medium_nats: Nats = PAPER_NATS["medium"]
    """Medium positions have more entropy than this; they count as easy too."""
    hard_nats: Nats = PAPER_NATS["hard"]
    """Hard positions have more entropy than this; they count as medium too."""
    seed: Seed = 0
    """Seed of the choice of positions, and of sampling."""

    @property
    def above_nats(self) -> dict[str, float]:
        """Each level's threshold."""
        return dict(zip(DIFFICULTIES, (self.easy_nats, self.medium_nats, self.hard_nats), strict=True))
