"""What the work costs on a machine: memory, hours, disk.

In: a config, the model's shape, the work, the hardware. Out: numbers with what they consist of. Formulas, all for the
plain loop, whose training keeps weights and optimiser in float32:

    memory   weights 4 N (in bfloat16 + 2 N that autocast keeps, + 2 N for the copy that samples) + gradients 4 N + Adam
             8 N; the reference of a KL term 4 N, or 2 N in bfloat16, the average of information gain 4 N; keys and
             values 2 x layers x width x bytes for each token in a batch; logits; activations
    seconds  reading 2 N and training 6 N a token at the shares of the peak that hardware.yaml gives; decoding at least
             as long as its launches, as reading all weights once a step, and as 2 N a token
    disk     12 N for a checkpoint with its optimiser; a response's text, compressed

Loads without torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from rpt_core.config import StageConfig
from rpt_core.hardware import Hardware
from rpt_core.preflight.model_shape import ModelShape
from rpt_core.preflight.work import Work

Dtype = Literal["float32", "bfloat16"]
BYTES: dict[Dtype, int] = {"float32": 4, "bfloat16": 2}
PROCESS_BYTES = 0.7e9
"""Python with torch and its buffers, before any model: 0.6 to 0.8 GB."""
ACTIVATIONS: dict[Dtype, int] = {"float32": 8, "bfloat16": 15}
"""Values of the number format that a layer of the Qwen2 and Llama family keeps for each token and unit of width until
the backward pass; beside them 4 for each unit inside its feed-forward part and 2 for each of its keys' width. Counted
on real layers (a test does it again). Fused attention stores no matrix; with bfloat16, autocast sums in float32."""
LOGITS_AT_ONCE = 2**27
"""As in rpt_core.train.log_probs, which loads torch. The backward pass makes a piece again, beside its gradient."""
TEXT_BYTES_PER_TOKEN = 4
ROLLOUT_COMPRESSION = 2.5
TRAINING = ("ntp", "sft", "rpt", "rlvr")


@dataclass(frozen=True)
class Memory:
    """Bytes at the peak on one device, by what they are for."""

    weights: float
    optimiser: float
    """Gradients and Adam's two averages."""
    references: float
    cache: float
    """Keys and values while decoding."""
    logits: float
    activations: float
    process: float = PROCESS_BYTES

    @property
    def total(self) -> float:
        """Sampling and updating take turns, so only the larger of their working sets counts."""
        fixed = self.weights + self.optimiser + self.references + self.process
        return fixed + max(self.cache, self.activations) + self.logits


def dtype_of(config: Any) -> Dtype:
    """Number format of the computation."""
    model = getattr(config, "model", None) or getattr(config, "proxy", None)
    found: Dtype = model.dtype if model is not None else "float32"
    return found


def memory_of(config: StageConfig, shape: ModelShape, work: Work, prompt_tokens: float) -> Memory:
    """Peak memory of a run."""
    dtype, trains = dtype_of(config), config.stage in TRAINING
    copies = 4 if trains else BYTES[dtype]
    if trains and dtype == "bfloat16":
        copies += 4 if work.rollouts else 2
    rows, length = _training_rows(config, prompt_tokens)
    response = _response_tokens(config)
    own_rows = work.decode_rows
    groups = own_rows / getattr(config, "group_size", 1)
    cached = own_rows * response + groups * prompt_tokens
    counted = rows * (response or length)
    trained_logits = min(counted * shape.vocabulary, 2 * LOGITS_AT_ONCE) if trains else 0
    logits = max(12 * trained_logits, 16 * own_rows * shape.vocabulary)
    return Memory(
        weights=copies * shape.parameters,
        optimiser=12 * shape.parameters if trains else 0,
        references=shape.parameters * _reference_bytes(config, dtype),
        cache=2 * shape.layers * shape.kv_width * BYTES[dtype] * cached,
        logits=logits,
        activations=rows * length * shape.layers * activation_bytes(shape, dtype) if trains else 0,
    )


def activation_bytes(shape: ModelShape, dtype: Dtype) -> int:
    """What one layer keeps of one token until the backward pass."""
    return BYTES[dtype] * (ACTIVATIONS[dtype] * shape.hidden + 4 * shape.intermediate + 2 * shape.kv_width)


def seconds_of(config: StageConfig, shape: ModelShape, work: Work, machine: Hardware) -> float:
    """Time of a run on the clock, start included."""
    dtype = dtype_of(config)
    reading = machine.flops_per_second(dtype, machine.reading_share)
    training = machine.flops_per_second(dtype, machine.training_share)
    seconds = machine.start_seconds
    seconds += 2 * shape.matrix_parameters * work.read_tokens / reading
    seconds += 6 * shape.matrix_parameters * work.trained_tokens / training
    return seconds + _decoding_seconds(shape, work, machine, dtype)


def disk_of(config: StageConfig, shape: ModelShape, work: Work, prompt_tokens: float) -> float:
    """Bytes that a run leaves in its folder."""
    checkpoints = 0.0
    if config.stage in TRAINING:
        every, keep = getattr(config, "checkpoint_every_steps", 1), getattr(config, "keep_checkpoints", None)
        written = work.steps // every + 1
        checkpoints = min(written, keep or written) * 12 * shape.parameters
    characters = TEXT_BYTES_PER_TOKEN * (work.rollouts * prompt_tokens + work.generated_tokens)
    return checkpoints + characters / ROLLOUT_COMPRESSION


def _decoding_seconds(shape: ModelShape, work: Work, machine: Hardware, dtype: Dtype) -> float:
    if not work.decode_steps:
        return 0.0
    # A batch goes on until its longest row ends, so the number of steps is that of the limit.
    bandwidth = machine.memory_gb_per_second * 1e9 * machine.bandwidth_share
    weights = BYTES[dtype] * shape.matrix_parameters / bandwidth
    floor = max(machine.seconds_per_decode_step, weights) * work.decode_steps / machine.devices
    decoding = machine.flops_per_second(dtype, machine.decoding_share)
    return max(floor, 2 * shape.matrix_parameters * work.generated_tokens / decoding)


def _reference_bytes(config: Any, dtype: Dtype) -> int:
    """Of a parameter in all models that are kept beside the policy; the moving average is float32 as the policy is."""
    grpo, reward = getattr(config, "grpo", None), getattr(config, "reward", None)
    with_kl = grpo is not None and grpo.kl_coefficient > 0
    with_average = reward is not None and reward.kind == "information_gain"
    return BYTES[dtype] * with_kl + 4 * with_average


def _response_tokens(config: Any) -> float:
    sampling = getattr(config, "sampling", None)
    return sampling.max_response_tokens if sampling is not None else 0


def _training_rows(config: Any, prompt_tokens: float) -> tuple[float, float]:
    """Rows of one forward and backward pass, and their length in tokens."""
    if config.stage in ("rpt", "rlvr"):
        return config.grpo.batch_rows, prompt_tokens + config.sampling.max_response_tokens
    if config.stage in ("ntp", "sft"):
        return config.batch_tokens / config.max_document_tokens, config.max_document_tokens
    return 0, 0
