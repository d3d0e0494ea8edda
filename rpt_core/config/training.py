"""The training stages: ntp, sft, rpt, rlvr."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from rpt_core.config.base import (
    PROMPT_DATE,
    BudgetConfig,
    Config,
    Day,
    InferenceConfig,
    ModelConfig,
    OptimiserConfig,
    PromptConfig,
    SamplingConfig,
    Seed,
    Share,
    TrackersConfig,
)
from rpt_core.config.data import NO_SOLUTIONS, CorpusConfig, QuestionsConfig
from rpt_core.config.evaluation import EvaluationConfig
from rpt_core.config.limits import (
    LIMITS,
    AtOnce,
    Blocks,
    Devices,
    Factor,
    Passes,
    PassTokens,
    Steps,
    StepsOrNone,
    TextTokens,
    Width,
)
from rpt_core.config.reads import Reads
from rpt_core.config.rules import Refusal
from rpt_core.config.verl_rules import BEYOND_VERL


def _heads_divide(scratch: ScratchConfig) -> Iterator[Refusal]:
    if scratch.hidden_size % scratch.heads:
        yield "heads", f"hidden_size {scratch.hidden_size} is not divisible by heads {scratch.heads}."
    elif scratch.hidden_size // scratch.heads % 2:
        width = scratch.hidden_size // scratch.heads
        yield (
            "heads",
            f"Each head would be {width} wide, and rotary embeddings turn pairs. Make hidden_size / heads even.",
        )


class ScratchConfig(Config):
    """A new, randomly initialised model and its byte-level BPE tokenizer, trained on the corpus."""

    rules = (_heads_divide,)

    architecture: Literal["qwen2", "llama"] = "qwen2"
    """Architecture of the new model."""
    hidden_size: Width = 64
    """Width of the residual stream."""
    layers: Blocks = 3
    """Number of transformer blocks."""
    heads: Blocks = 2
    """Number of attention heads; it must divide the hidden size."""
    intermediate_size: Width = 192
    """Width of the feed-forward part."""
    max_positions: TextTokens = 1024
    """Longest sequence, in tokens."""
    rope_theta: Annotated[float, Field(gt=0), LIMITS["factor"]] = 100.0
    """Base of the rotary embedding."""
    initializer_range: Annotated[float, Field(gt=0), LIMITS["factor"]] = 0.1
    """Standard deviation of the initial weights; 0.02 does not learn at this width."""
    vocab_size: Annotated[int, Field(ge=260), LIMITS["vocabulary"]] = 400
    """Upper limit of the vocabulary."""


class TrainConfig(Config):
    """What the training stages share."""

    seed: Seed = 0
    """Seed of data order, sampling and initial weights."""
    checkpoint_every_steps: Steps = 100
    """A checkpoint is written each time this many steps are done, and at the end."""
    keep_checkpoints: Steps | None = None
    """Keep only the newest ones; empty keeps all."""
    log_every_steps: Steps = 1
    """Metrics are averaged and written after this many steps."""
    skip_not_finite_steps: StepsOrNone = 0
    """Up to this many steps with a loss, reward, gradient or probability that is not finite are skipped: weights stay
    as they were, and the batch is kept. The next one stops the run."""
    trackers: TrackersConfig = TrackersConfig()
    """TensorBoard and Weights & Biases."""


def _one_model(config: NtpConfig) -> Iterator[Refusal]:
    if (config.model is None) == (config.scratch is None):
        yield "", "Give exactly one of `model` (continue) and `scratch` (a new model)."


def _solutions_are_known(config: NtpConfig) -> Iterator[Refusal]:
    if config.loss_on == "solution" and not config.corpus.has_solutions():
        yield "loss_on", NO_SOLUTIONS


def _documents_are_left(config: NtpConfig) -> Iterator[Refusal]:
    if config.corpus.validation_share == 1:
        yield "corpus.validation_share", "1 holds out every document, so none is left to learn from. Lower it."


class NtpConfig(TrainConfig):
    """Stage `ntp`: plain next-token prediction, from scratch or continued."""

    rules = (_one_model, _solutions_are_known, _documents_are_left)

    stage: Literal["ntp"] = "ntp"
    corpus: CorpusConfig
    model: ModelConfig | None = None
    """Model to continue from; leave empty to train `scratch`."""
    scratch: ScratchConfig | None = None
    """A new model; leave empty to continue from `model`."""
    loss_on: Literal["document", "solution"] = "document"
    """Learn from whole documents or from their solution part only."""
    batch_documents: AtOnce = 32
    """Documents in one optimiser step."""
    max_document_tokens: Annotated[int, Field(gt=1), LIMITS["tokens of a text"]] = 4096
    """Longer documents are cut into pieces of this many tokens."""
    batch_tokens: PassTokens = 16384
    """Padded tokens in one forward and backward pass; gradients are summed over them."""
    budget: BudgetConfig = BudgetConfig(epochs=1)
    optimiser: OptimiserConfig = OptimiserConfig(learning_rate=1e-5, max_grad_norm=1.0)


def _some_source(traces: TracesConfig) -> Iterator[Refusal]:
    if traces.source == "file" and traces.path is None:
        yield "path", "Name a JSONL file with the fields prompt and response."
    if traces.source == "tiny" and traces.positions is None:
        yield "positions", "Name the folder of a finished filter run."


class TracesConfig(Config):
    """Reasoning traces for the cold start."""

    rules = (_some_source,)

    source: Literal["file", "tiny"] = "file"
    """`file` reads JSONL with `prompt` and `response`; `tiny` writes imperfect traces for the built-in corpus."""
    path: Annotated[str, Reads.DATA] | None = None
    """JSONL file of traces."""
    positions: Annotated[str, Reads.RUN] | None = None
    """`tiny`: folder of a finished filter run over the cold-start problems."""


class SftConfig(TrainConfig):
    """Stage `sft`: teach the response format on few traces (cold start), or continue with it as a baseline."""

    stage: Literal["sft"] = "sft"
    model: ModelConfig
    traces: TracesConfig
    prompt: PromptConfig = PromptConfig()
    replay: CorpusConfig | None = None
    """Plain documents mixed in, so that next-token prediction is not forgotten."""
    replay_share: Factor = 0.5
    """Replayed documents for each trace."""
    batch_documents: AtOnce = 32
    """Traces and documents in one optimiser step."""
    max_document_tokens: Annotated[int, Field(gt=1), LIMITS["tokens of a text"]] = 4096
    """Longer documents are cut into pieces of this many tokens."""
    batch_tokens: PassTokens = 16384
    """Padded tokens in one forward and backward pass; gradients are summed over them."""
    budget: BudgetConfig = BudgetConfig(epochs=3)
    optimiser: OptimiserConfig = OptimiserConfig(learning_rate=1e-5, max_grad_norm=1.0)


class GrpoConfig(Config):
    """The update (DeepSeekMath's GRPO; the paper uses no KL and no entropy term)."""

    normalise: Literal["std", "mean"] = "std"
    """Advantage: reward minus the group's mean, divided by its standard deviation, or not (Dr. GRPO)."""
    clip_low: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Lower clip of the probability ratio; inactive while exactly on-policy."""
    clip_high: Annotated[float, Field(gt=0), LIMITS["factor"]] = 0.2
    """Upper clip of the probability ratio."""
    aggregation: Literal["token", "sequence"] = "token"
    """Loss: the mean over all tokens of the batch, or the mean of the responses' means."""
    minibatch_groups: AtOnce | None = None
    """Groups in one optimiser update; it must divide the batch. Empty: one update for the batch, exactly on-policy."""
    kl_coefficient: Factor = 0.0
    """Weight of the KL divergence to the model that training started from (k3 estimator); 0 loads no reference."""
    entropy_coefficient: Factor = 0.0
    """Weight of the policy's token entropy, which the loss then rewards."""
    overlong: Literal["keep", "mask", "soft"] = "keep"
    """Responses cut by the limit: reward 0 and learnt from (`keep`), left out of the loss (`mask`), or punished
    gradually over the last `overlong_buffer_tokens` before the limit (`soft`, as in DAPO)."""
    overlong_buffer_tokens: TextTokens = 1024
    """`soft`: tokens before the limit over which the punishment grows from 0 to 1."""
    batch_rows: AtOnce = 128
    """Rows in one forward and backward pass; gradients are summed over them."""


def _custom_with_its_path(reward: RewardConfig) -> Iterator[Refusal]:
    if (reward.kind == "custom") != (reward.custom is not None):
        yield "custom", "A path here and `kind: custom` go together. Give both or neither."


class RewardConfig(Config):
    """What a response earns (Eq. 3 and Appendix A of the paper, and rivals)."""

    rules = (_custom_with_its_path,)

    kind: Literal["prefix", "first_token", "dense", "conditional_dense", "information_gain", "custom"] = "prefix"
    """`prefix`: Eq. 3. `first_token`: the prediction's first token alone. `dense`: the same; for a wrong
    token, the probability that the policy gives it. `conditional_dense`: dense only in groups with a right response.
    `information_gain`: log-likelihood of the true token with the thought minus without it (RLP). `custom`: your own."""
    all_wrong: Literal["zero", "penalty"] = "zero"
    """`conditional_dense`: what every response of a group without a right one earns."""
    all_wrong_penalty: Factor = 0.1
    """`conditional_dense` with `penalty`: how much is taken away."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """`information_gain`: decay of the moving average of the policy that predicts without the thought."""
    custom: str | None = None
    """`custom`: Python path `package.module:function`. An administrator must set RPT_ALLOW_CUSTOM_REWARDS=1."""


def _is_band(dynamic: DynamicSamplingConfig) -> Iterator[Refusal]:
    if dynamic.min_pass_rate >= dynamic.max_pass_rate:
        yield "max_pass_rate", f"Give a number above `min_pass_rate`, {dynamic.min_pass_rate:g}."


class DynamicSamplingConfig(Config):
    """Groups that teach nothing are dropped and replaced by others (DAPO; the paper uses it from step 500)."""

    rules = (_is_band,)

    from_step: Steps | None = None
    """First step with dynamic sampling; empty: never."""
    max_extra_batches: AtOnce = 4
    """The most extra batches of problems in a step; after them, the step continues with the groups it has."""
    min_pass_rate: Share = 0.0
    """Groups with a smaller share of rewarded responses are dropped too."""
    max_pass_rate: Share = 1.0
    """Groups with a larger share of rewarded responses are dropped too."""


class VerlConfig(Config):
    """How verl trains: on this node, or on a Ray cluster."""

    nodes: Devices = 1
    """Machines of the Ray cluster that take part."""
    gpus_per_node: Devices = 1
    """GPUs of each of them."""
    ray_address: Annotated[str, Reads.ADDRESS] | None = None
    """Ray's job server, such as http://127.0.0.1:8265; empty: RAY_ADDRESS, or a Ray of its own on this machine."""
    micro_batch_per_gpu: AtOnce = 1
    """Responses in one forward and backward pass of a GPU."""
    export_dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of exported weights; float32 keeps updates that bfloat16 would round away."""
    raw_files: Literal["remove", "keep"] = "remove"
    """verl's dumps and traces, once a checkpoint has made them useless: about 30 bytes for each sampled token."""
    stall_minutes: Annotated[float, Field(gt=0), LIMITS["minutes"]] = 60
    """If verl writes nothing for this many minutes, it is ended and the run fails."""


def responses_differ(config: Any) -> Iterator[Refusal]:
    """Rule: the responses to one problem are not all the same."""
    if config.sampling.temperature == 0 and config.group_size > 1:
        yield "sampling.temperature", "At 0 all responses of a group would be equal. Use 0.8, for instance."


def _buffer_fits(config: RptConfig | RlvrConfig) -> Iterator[Refusal]:
    buffer, limit = config.grpo.overlong_buffer_tokens, config.sampling.max_response_tokens
    if config.grpo.overlong == "soft" and buffer > limit:
        yield (
            "grpo.overlong_buffer_tokens",
            f"{buffer} is more than sampling.max_response_tokens {limit}, so even the shortest response would be "
            f"punished. Give at most {limit}.",
        )


def _problems_divide(config: RptConfig) -> Iterator[Refusal]:
    yield from _minibatches_divide(config.grpo, config.batch_problems, "batch_problems")


def _questions_divide(config: RlvrConfig) -> Iterator[Refusal]:
    yield from _minibatches_divide(config.grpo, config.batch_questions, "batch_questions")


def _minibatches_divide(grpo: GrpoConfig, batch: int, name: str) -> Iterator[Refusal]:
    if grpo.minibatch_groups is not None and batch % grpo.minibatch_groups:
        yield "grpo.minibatch_groups", f"{grpo.minibatch_groups} does not divide `{name}`, {batch}."


def _evaluations_come(config: RptConfig) -> Iterator[Refusal]:
    yield from evaluations_after(config.steps, "steps", config.evaluate_at_steps)


def evaluations_after(steps: int, name: str, evaluate_at_steps: tuple[int, ...]) -> Iterator[Refusal]:
    """Evaluations after the last of so many steps, which the field of that name says."""
    late = [step for step in evaluate_at_steps if step > steps]
    if late:
        yield (
            "evaluate_at_steps",
            f"Training ends at step {steps} (`{name}`), so there would be no evaluation after "
            f"{', '.join(map(str, late))}. Leave that out, or train longer.",
        )


def evaluations_are_described(config: Any) -> Iterator[Refusal]:
    """Rule: who names steps to evaluate at says what is measured."""
    if config.evaluate_at_steps and config.evaluation is None:
        yield "evaluate_at_steps", "There is no `evaluation` that says what is measured. Give it, or leave this empty."


class RptConfig(TrainConfig, InferenceConfig):
    """Stage `rpt`: reinforcement pre-training on the positions that a filter run kept."""

    rules = (
        _problems_divide,
        _buffer_fits,
        responses_differ,
        _evaluations_come,
        evaluations_are_described,
        *BEYOND_VERL,
    )

    stage: Literal["rpt"] = "rpt"
    model: ModelConfig
    positions: Annotated[str, Reads.RUN]
    """Folder of a finished filter run; its kept training positions are used."""
    steps: Steps = 1000
    """Optimiser steps."""
    batch_problems: AtOnce = 256
    """Problems in one step."""
    group_size: Annotated[int, Field(ge=2), LIMITS["at once"]] = 8
    """Responses sampled for each problem."""
    order: Literal["random", "easy_to_hard"] = "random"
    """Order of the positions: at random, or a curriculum by rising entropy within each pass over them."""
    reward: RewardConfig = RewardConfig()
    dynamic_sampling: DynamicSamplingConfig = DynamicSamplingConfig()
    prompt: PromptConfig = PromptConfig()
    sampling: SamplingConfig = SamplingConfig()
    grpo: GrpoConfig = GrpoConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    evaluation: EvaluationConfig | None = None
    """Evaluate while training; leave empty to do without."""
    evaluate_at_steps: tuple[StepsOrNone, ...] = ()
    """Steps after which the policy is evaluated; 0 is before training."""
    engine: Literal["torch", "verl"] = "torch"
    """The plain torch loop on one device, or verl on GPU nodes."""
    verl: VerlConfig = VerlConfig()


def _test_responses_differ(config: RlvrConfig) -> Iterator[Refusal]:
    if config.test_sampling.temperature == 0 and config.test_samples > 1:
        yield (
            "test_samples",
            f"At `test_sampling.temperature` 0 the {config.test_samples} responses to a question would be equal. Give "
            "1, or a temperature of 0.6, for instance.",
        )


class RlvrConfig(TrainConfig, InferenceConfig):
    """Stage `rlvr`: reinforcement learning on questions with verifiable answers (Table 2 of the paper)."""

    rules = (_questions_divide, _buffer_fits, responses_differ, _test_responses_differ)

    stage: Literal["rlvr"] = "rlvr"
    model: ModelConfig
    questions: QuestionsConfig
    template: Annotated[str, Reads.TEMPLATE] = "question"
    """Built-in template for questions (`question`, `question_plain`) or the path of a text file with `{context}`."""
    max_prompt_tokens: TextTokens = 4096
    """Questions whose prompt is longer are left out, and counted."""
    prompt_date: Day = PROMPT_DATE
    """The date that the model's chat template gets as today's, if it writes one (Llama 3.2, Granite)."""
    answer_by: Literal["math_verify", "exact"] = "math_verify"
    """Compare answers as mathematics, with the math-verify library, or as texts without blanks around them."""
    batch_questions: AtOnce = 64
    """Questions in one step."""
    group_size: Annotated[int, Field(ge=2), LIMITS["at once"]] = 8
    """Responses sampled for each question."""
    budget: BudgetConfig = BudgetConfig(epochs=15)
    sampling: SamplingConfig = SamplingConfig()
    grpo: GrpoConfig = GrpoConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    test_sampling: SamplingConfig = SamplingConfig(temperature=0.6, max_response_tokens=32768)
    """How test questions are answered."""
    test_samples: AtOnce = 1
    """Responses for each test question."""
    test_every_epochs: Passes | None = None
    """Test each time after this many epochs, too; before and after training in any case."""
