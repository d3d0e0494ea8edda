"""One frozen pydantic model for each stage: the form, the API, the shell and the worker all read these.

In: plain dictionaries (JSON, YAML, form data). Out: validated objects, or pydantic's errors naming the field.
Loads without torch and numpy. The sentence under each field is its help text in the browser's form.
Defaults follow the paper (Table 5, section 3.3) or, where it is silent, the choices listed in docs/method.md.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Stage = Literal["filter", "ntp", "sft", "rpt", "rlvr", "evaluate", "benchmark"]
Split = Literal["train", "validation"]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Config(BaseModel):
    """Base of all: unknown fields are refused, objects never change, field docstrings become help texts."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class FieldMapping(Config):
    """Which fields of a record hold what; a dotted name reaches into nested objects."""

    text: str | None = "text"
    """Field with the whole text; leave empty when problem and solution are separate."""
    problem: str | None = None
    """Field with the problem statement (used with `solution` instead of `text`)."""
    solution: str | None = None
    """Field with the worked solution; positions can be limited to this part."""
    id: str | None = None
    """Field that names the document; the hash of it decides the split. Without it, the hash of the text does."""
    answer: str | None = None
    """Field with the final answer, kept as metadata."""
    domain: str | None = None
    """Field with the subject area, kept as metadata."""
    difficulty: str | None = None
    """Field with the source's own difficulty, kept as metadata."""

    @model_validator(mode="after")
    def _has_text(self) -> Self:
        if self.text is None and (self.problem is None or self.solution is None):
            raise ValueError("name either `text`, or both `problem` and `solution`")
        return self


OMNI_MATH = FieldMapping(
    text=None, problem="problem", solution="solution", answer="answer", domain="domain", difficulty="difficulty"
)
"""The public fields of the OmniMATH corpus used in the paper."""


class CorpusConfig(Config):
    """Where documents come from and how they are split."""

    source: Literal["files", "tiny"] = "files"
    """`files` reads the paths below; `tiny` generates the built-in corpus of worked mathematics."""
    paths: tuple[str, ...] = ()
    """Files or folders of .jsonl, .parquet or .txt documents."""
    format: Literal["auto", "jsonl", "parquet", "text"] = "auto"
    """File format; `auto` goes by the file's ending."""
    mapping: Literal["text", "omni_math"] | FieldMapping = "text"
    """`text`, `omni_math`, or your own field names."""
    validation_share: Share = 0.05
    """Share of documents held out; a hash of the document's id decides, so that none ever changes sides."""
    max_bad_share: Share = 0.01
    """A run stops when more than this share of the records is unusable."""
    max_documents: Annotated[int, Field(gt=0)] | None = None
    """Read at most this many documents of each split."""
    tiny_part: Literal["pretrain", "cold", "problems"] = "problems"
    """Which part of the built-in corpus: pre-training text, cold-start problems, or the problems of RPT."""
    tiny_documents: Annotated[int, Field(gt=0)] = 2000
    """How many documents of that part to generate, before the split."""
    tiny_seed: int = 0
    """Seed of the built-in corpus; the same seed gives the same documents."""

    @model_validator(mode="after")
    def _has_paths(self) -> Self:
        if self.source == "files" and not self.paths:
            raise ValueError("`paths` is empty: name at least one .jsonl, .parquet or .txt file, or set source: tiny")
        return self

    def field_mapping(self) -> FieldMapping:
        """The mapping as an object."""
        if isinstance(self.mapping, FieldMapping):
            return self.mapping
        return OMNI_MATH if self.mapping == "omni_math" else FieldMapping()


class ModelConfig(Config):
    """A causal language model in the Hugging Face layout."""

    path: str
    """Folder of a checkpoint, or the name of a model on a hub."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of the computation. Training keeps its weights and its optimiser in float32 all the same."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes a GPU when there is one."""


class ScratchConfig(Config):
    """A new, randomly initialised model and its byte-level BPE tokenizer, trained on the corpus."""

    architecture: Literal["qwen2", "llama"] = "qwen2"
    """Architecture of the new model."""
    hidden_size: Annotated[int, Field(gt=0)] = 64
    """Width of the residual stream."""
    layers: Annotated[int, Field(gt=0)] = 3
    """Number of transformer blocks."""
    heads: Annotated[int, Field(gt=0)] = 2
    """Number of attention heads; it must divide the hidden size."""
    intermediate_size: Annotated[int, Field(gt=0)] = 192
    """Width of the feed-forward part."""
    max_positions: Annotated[int, Field(gt=0)] = 1024
    """Longest sequence, in tokens."""
    rope_theta: Annotated[float, Field(gt=0)] = 100.0
    """Base of the rotary embedding."""
    initializer_range: Annotated[float, Field(gt=0)] = 0.1
    """Standard deviation of the initial weights; 0.02 does not learn at this width."""
    vocab_size: Annotated[int, Field(ge=260)] = 400
    """Upper limit of the vocabulary."""

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.hidden_size % self.heads:
            raise ValueError(f"hidden_size {self.hidden_size} is not divisible by heads {self.heads}")
        return self


class OptimiserConfig(Config):
    """AdamW."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-6
    """Peak learning rate."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Adam's two averaging factors."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Decoupled weight decay."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 0.2
    """Gradients are scaled down to this norm."""
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    """Steps of linear warm-up."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """Course of the learning rate after the warm-up."""
    final_share: Share = 0.1
    """Learning rate at the end, as a share of the peak (linear and cosine)."""


class BudgetConfig(Config):
    """When training ends: exactly one limit."""

    epochs: Annotated[float, Field(gt=0)] | None = None
    """Passes over the data."""
    steps: Annotated[int, Field(gt=0)] | None = None
    """Optimiser steps."""
    flops: Annotated[float, Field(gt=0)] | None = None
    """Training compute in floating-point operations, counted as docs/method.md says."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(value is not None for value in (self.epochs, self.steps, self.flops)) != 1:
            raise ValueError("give exactly one of epochs, steps, flops")
        return self


class PromptConfig(Config):
    """How a position becomes a prompt."""

    template: str = "v0"
    """Built-in template (`v0`, `plain`) or the path of a text file with a `{context}` field."""
    max_prompt_tokens: Annotated[int, Field(gt=0)] = 4096
    """Longer contexts are cut from the left, on a token boundary."""
    completion_tokens: Annotated[int, Field(gt=0)] = 32
    """Tokens of the true continuation that are kept for the reward."""


class SamplingConfig(Config):
    """How responses are sampled."""

    temperature: Annotated[float, Field(ge=0)] = 0.8
    """Sampling temperature; 0 is greedy."""
    max_response_tokens: Annotated[int, Field(gt=0)] = 8192
    """A response cut by this limit gets reward 0."""
    batch_rows: Annotated[int, Field(gt=0)] = 512
    """Rows decoded together."""


class FilterConfig(Config):
    """Stage `filter`: proxy-model entropy at each position, and the positions worth training on."""

    stage: Literal["filter"] = "filter"
    seed: int = 0
    """Seed of the random choice."""
    corpus: CorpusConfig
    proxy: ModelConfig
    """The small model whose uncertainty is measured."""
    top_k: Annotated[int, Field(gt=1)] = 16
    """Entropy is taken over this many most probable tokens."""
    entropy: Literal["renormalised", "partial", "full"] = "renormalised"
    """Renormalised over the top k, their partial sum, or the full vocabulary."""
    keep: Literal["threshold", "top_share", "random"] = "threshold"
    """How training positions are chosen; `random` is the control."""
    min_entropy_nats: Annotated[float, Field(ge=0)] = 1.0
    """`threshold`: keep positions of at least this entropy, in nats."""
    keep_share: Share = 0.2
    """`top_share` and `random`: keep this share of all positions."""
    positions_from: Literal["document", "solution"] = "document"
    """Use every position, or only those in the solution part of a document."""
    max_positions_per_document: Annotated[int, Field(gt=0)] | None = None
    """At most this many kept positions of one document, chosen at random."""
    batch_tokens: Annotated[int, Field(gt=0)] = 16384
    """Padded tokens in one forward pass."""
    chunk_positions: Annotated[int, Field(gt=0)] = 2048
    """Positions whose logits exist at one time; bounds memory."""


class TrainConfig(Config):
    """What the training stages share."""

    seed: int = 0
    """Seed of data order, sampling and initial weights."""
    checkpoint_every_steps: Annotated[int, Field(gt=0)] = 100
    """A checkpoint is written each time this many steps are done, and at the end."""
    keep_checkpoints: Annotated[int, Field(gt=0)] | None = None
    """Keep only the newest ones; empty keeps all."""
    log_every_steps: Annotated[int, Field(gt=0)] = 1
    """Metrics are averaged and written after this many steps."""


class NtpConfig(TrainConfig):
    """Stage `ntp`: plain next-token prediction, from scratch or continued."""

    stage: Literal["ntp"] = "ntp"
    corpus: CorpusConfig
    model: ModelConfig | None = None
    """Model to continue from; leave empty to train `scratch`."""
    scratch: ScratchConfig | None = None
    """A new model; leave empty to continue from `model`."""
    loss_on: Literal["document", "solution"] = "document"
    """Learn from whole documents or from their solution part only."""
    batch_documents: Annotated[int, Field(gt=0)] = 32
    """Documents in one optimiser step."""
    max_document_tokens: Annotated[int, Field(gt=1)] = 4096
    """Longer documents are cut into pieces of this many tokens."""
    batch_tokens: Annotated[int, Field(gt=0)] = 16384
    """Padded tokens in one forward and backward pass; gradients are summed over them."""
    budget: BudgetConfig = BudgetConfig(epochs=1)
    optimiser: OptimiserConfig = OptimiserConfig(learning_rate=1e-5, max_grad_norm=1.0)

    @model_validator(mode="after")
    def _one_model(self) -> Self:
        if (self.model is None) == (self.scratch is None):
            raise ValueError("give exactly one of `model` (continue) and `scratch` (a new model)")
        return self


class TracesConfig(Config):
    """Reasoning traces for the cold start."""

    source: Literal["file", "tiny"] = "file"
    """`file` reads JSONL with `prompt` and `response`; `tiny` writes imperfect traces for the built-in corpus."""
    path: str | None = None
    """JSONL file of traces."""
    positions: str | None = None
    """`tiny`: folder of a finished filter run over the cold-start problems."""

    @model_validator(mode="after")
    def _has_source(self) -> Self:
        if self.source == "file" and self.path is None:
            raise ValueError("`path` is empty: name a JSONL file with the fields prompt and response")
        if self.source == "tiny" and self.positions is None:
            raise ValueError("`positions` is empty: name the folder of a finished filter run")
        return self


class SftConfig(TrainConfig):
    """Stage `sft`: teach the response format on few traces (cold start), or go on with it as a baseline."""

    stage: Literal["sft"] = "sft"
    model: ModelConfig
    traces: TracesConfig
    prompt: PromptConfig = PromptConfig()
    replay: CorpusConfig | None = None
    """Plain documents mixed in, so that next-token prediction is not forgotten."""
    replay_share: Annotated[float, Field(ge=0)] = 0.5
    """Replayed documents for each trace."""
    batch_documents: Annotated[int, Field(gt=0)] = 32
    """Traces and documents in one optimiser step."""
    max_document_tokens: Annotated[int, Field(gt=1)] = 4096
    """Longer documents are cut into pieces of this many tokens."""
    batch_tokens: Annotated[int, Field(gt=0)] = 16384
    """Padded tokens in one forward and backward pass; gradients are summed over them."""
    budget: BudgetConfig = BudgetConfig(epochs=3)
    optimiser: OptimiserConfig = OptimiserConfig(learning_rate=1e-5, max_grad_norm=1.0)


class EvaluationConfig(Config):
    """Next-token accuracy at held-out positions, standard and reasoning (Table 1)."""

    positions: str
    """Folder of a finished filter run; its validation split is used."""
    positions_per_difficulty: Annotated[int, Field(gt=0)] = 400
    """At most this many positions of each difficulty, drawn once by the seed."""
    easy_nats: Annotated[float, Field(ge=0)] = 0.5
    """Easy positions have more entropy than this."""
    medium_nats: Annotated[float, Field(ge=0)] = 1.0
    """Medium positions have more entropy than this; they are easy ones too."""
    hard_nats: Annotated[float, Field(ge=0)] = 1.5
    """Hard positions have more entropy than this; they are medium ones too."""
    modes: tuple[Literal["standard", "sampled", "greedy"], ...] = ("standard", "sampled", "greedy")
    """Argmax without thinking; one response at the sampling temperature; one greedy response."""
    seed: int = 0
    """Seed of the position set and of sampling."""

    @model_validator(mode="after")
    def _nested(self) -> Self:
        if not self.easy_nats <= self.medium_nats <= self.hard_nats:
            raise ValueError("thresholds must not fall: easy_nats <= medium_nats <= hard_nats")
        return self


class GrpoConfig(Config):
    """The update (DeepSeekMath's GRPO; the paper uses no KL and no entropy term)."""

    normalise: Literal["std", "mean"] = "std"
    """Advantage: reward minus the group's mean, divided by its standard deviation, or not (Dr. GRPO)."""
    clip_low: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Lower clip of the probability ratio; inactive while exactly on-policy."""
    clip_high: Annotated[float, Field(gt=0)] = 0.2
    """Upper clip of the probability ratio."""
    batch_rows: Annotated[int, Field(gt=0)] = 128
    """Rows in one forward and backward pass; gradients are summed over them."""


class RptConfig(TrainConfig):
    """Stage `rpt`: reinforcement pre-training on the positions that a filter run kept."""

    stage: Literal["rpt"] = "rpt"
    model: ModelConfig
    positions: str
    """Folder of a finished filter run; its kept training positions are used."""
    steps: Annotated[int, Field(gt=0)] = 1000
    """Optimiser steps."""
    batch_problems: Annotated[int, Field(gt=0)] = 256
    """Problems in one step."""
    group_size: Annotated[int, Field(ge=2)] = 8
    """Responses sampled for each problem."""
    prompt: PromptConfig = PromptConfig()
    sampling: SamplingConfig = SamplingConfig()
    grpo: GrpoConfig = GrpoConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    evaluation: EvaluationConfig | None = None
    """Evaluate while training; leave empty to do without."""
    evaluate_at_steps: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Steps after which the policy is evaluated; 0 is before training."""


class EvaluateConfig(Config):
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


StageConfig = FilterConfig | NtpConfig | SftConfig | RptConfig | EvaluateConfig
STAGES: dict[str, type[FilterConfig | NtpConfig | SftConfig | RptConfig | EvaluateConfig]] = {
    "filter": FilterConfig,
    "ntp": NtpConfig,
    "sft": SftConfig,
    "rpt": RptConfig,
    "evaluate": EvaluateConfig,
}
"""The stages that can run now, and their config."""
