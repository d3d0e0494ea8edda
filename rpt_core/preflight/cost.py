"""What the work costs on a machine: memory, hours, disk.

In: a config, the model's shape, the work, the hardware. Out: numbers with what they consist of. Formulas, those of
time and disk for the plain loop; training keeps weights and optimiser in float32:

    memory   weights 4 N (in bfloat16 + 2 N that autocast keeps, + 2 N for the copy that samples) + gradients 4 N + Adam
             8 N; the reference of a KL term 4 N, or 2 N in bfloat16, the average of information gain 4 N; keys and
             values 2 x layers x width x bytes for each token in a batch; logits; activations of rows with the longest
             prompt and response. Where vLLM samples, its share of the device (`vllm.gpu_memory_share`) instead of the
             copy that samples and of keys and values. Under verl 16 N shared out over all GPUs and two layers whole;
             vLLM's share, which it gives back while the policy is trained; of activations a layer's input, and all of
             one layer, which is made again
    seconds  reading 2 N and training 6 N a token at the shares of the peak that hardware.yaml gives; decoding at least
             as long as its launches, as reading all weights once a step, and as 2 N a token
    disk     12 N for a checkpoint with its optimiser; a response's text, compressed; 9 bytes for each token of a filter
             run's positions, at most 12, twice while they are written

Loads without torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from rpt_core.config import StageConfig
from rpt_core.machine.hardware import Hardware
from rpt_core.preflight.data import Data
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
POSITION_BYTES, MOST_POSITION_BYTES = 9.0, 12.0
"""Of a scored token on disk, compressed (benchmarks/position_bytes.py); half of it is the entropy."""
RECORDED_TOKEN_BYTES, BOXED_TOKENS = 12, 8
"""Of a token of `record_tokens` on disk: id, end, log-prob and entropy, four bytes each, a little compressed; and how
many of them a box has."""
COPIES_WHILE_WRITING = 2
"""The filter keeps its scores until the chosen positions are written beside them."""
TRAINING = ("ntp", "sft", "rpt", "expert_iteration", "rlvr")


def trains(config: Any) -> bool:
    """Whether a run trains a model; a stage that trains may also only ask listed questions."""
    return config.stage in TRAINING and not (config.stage == "rlvr" and config.questions.listed_questions)


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
    vllm: float = 0.0
    """What vLLM takes of the device for its copy of the weights and for keys and values."""
    is_given_back: bool = False
    """Whether vLLM frees its part while the policy is trained, as under verl."""
    process: float = PROCESS_BYTES

    @property
    def fixed(self) -> float:
        """What lies there all the time, whatever the lengths."""
        return self.weights + self.optimiser + self.references + self.process

    @property
    def total(self) -> float:
        """Sampling and updating take turns, so only the larger of their working sets counts."""
        working = max(self.cache, self.activations) + self.logits
        return self.fixed + (max(self.vllm, working) if self.is_given_back else self.vllm + working)


def dtype_of(config: Any) -> Dtype:
    """Number format of the computation."""
    model = getattr(config, "model", None) or getattr(config, "proxy", None)
    found: Dtype = model.dtype if model is not None else "float32"
    return found


def memory_of(config: StageConfig, shape: ModelShape, work: Work, data: Data, machine: Hardware) -> Memory:
    """Peak memory of a run on one device."""
    if is_verl(config):
        return _memory_under_verl(config, shape, data, machine)
    dtype, is_trained = dtype_of(config), trains(config)
    with_vllm = samples_with_vllm(config, machine)
    copies = 0 if with_vllm and not is_trained else 4 if is_trained else BYTES[dtype]
    if is_trained and dtype == "bfloat16":
        copies += 4 if work.rollouts and not with_vllm else 2
    rows, length = _training_rows(config, longest_prompt(config, data))
    response = _response_tokens(config)
    own_rows = 0 if with_vllm else work.decode_rows
    groups = own_rows / getattr(config, "group_size", 1)
    cached = own_rows * response + groups * data.prompt_tokens
    counted = rows * (response or length)
    trained_logits = min(counted * shape.vocabulary, 2 * LOGITS_AT_ONCE) if is_trained else 0
    return Memory(
        weights=copies * shape.parameters,
        optimiser=12 * shape.parameters if is_trained else 0,
        references=shape.parameters * _reference_bytes(config, dtype) if is_trained else 0,
        cache=2 * shape.layers * shape.kv_width * BYTES[dtype] * cached,
        logits=max(12 * trained_logits, 16 * own_rows * shape.vocabulary),
        activations=rows * length * shape.layers * activation_bytes(shape, dtype) if is_trained else 0,
        vllm=_vllm_bytes(config, machine) if with_vllm else 0.0,
    )


def _memory_under_verl(config: Any, shape: ModelShape, data: Data, machine: Hardware) -> Memory:
    """Of one GPU of a run that verl trains: weights and optimiser shared out by FSDP, layers recomputed."""
    dtype, gpus = dtype_of(config), config.verl.nodes * config.verl.gpus_per_node
    whole_layers = 2 * BYTES[dtype] * shape.parameters / shape.layers
    tokens = config.verl.micro_batch_per_gpu * (longest_prompt(config, data) + config.sampling.max_response_tokens)
    inputs = shape.layers * shape.hidden * BYTES[dtype]
    reference = 4 * shape.parameters / gpus if config.grpo.kl_coefficient > 0 else 0.0
    return Memory(
        weights=4 * shape.parameters / gpus + whole_layers,
        optimiser=12 * shape.parameters / gpus,
        references=reference,
        cache=0.0,
        logits=12 * tokens * shape.vocabulary,
        activations=tokens * (inputs + activation_bytes(shape, dtype)),
        vllm=_vllm_bytes(config, machine),
        is_given_back=True,
    )


def is_verl(config: Any) -> bool:
    """Whether verl trains."""
    return getattr(config, "engine", "torch") == "verl"


def samples_with_vllm(config: Any, machine: Hardware) -> bool:
    """Whether vLLM samples or scores; `auto` takes it on a GPU, where it is installed."""
    wanted, model = getattr(config, "rollout_backend", "transformers"), getattr(config, "model", None)
    is_on_cpu = model is not None and model.device == "cpu"
    return machine.is_gpu and not is_on_cpu and (wanted in ("auto", "vllm") or is_verl(config))


def vllm_weights(config: Any, shape: ModelShape) -> float:
    """Bytes of vLLM's copy of the weights on one GPU."""
    parallel: int = config.vllm.tensor_parallel
    return BYTES[dtype_of(config)] * shape.parameters / parallel


def longest_prompt(config: Any, data: Data) -> float:
    """Tokens of the longest prompt that is trained on: that of the data, or the limit while they are not known."""
    if data.longest_prompt is not None:
        return data.longest_prompt
    prompt = getattr(config, "prompt", None)
    limit: float = (
        getattr(config, "max_prompt_tokens", data.prompt_tokens) if prompt is None else prompt.max_prompt_tokens
    )
    return limit


def _vllm_bytes(config: Any, machine: Hardware) -> float:
    share: float = config.vllm.gpu_memory_share
    return share * machine.memory_gb * 1e9


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


def disk_of(config: StageConfig, shape: ModelShape, work: Work, prompt_tokens: float, typical: bool) -> float:
    """Bytes that a run typically leaves in its folder, or the most that it takes up there while it works."""
    if config.stage == "filter":
        return work.read_tokens * (POSITION_BYTES if typical else COPIES_WHILE_WRITING * MOST_POSITION_BYTES)
    checkpoints = 0.0
    if trains(config):
        every, keep = getattr(config, "checkpoint_every_steps", 1), getattr(config, "keep_checkpoints", None)
        written = work.steps // every + 1
        checkpoints = min(written, keep or written) * 12 * shape.parameters
    record = getattr(getattr(config, "sampling", None), "record_tokens", "none")
    recorded = {"none": 0.0, "boxed": BOXED_TOKENS * work.rollouts, "all": work.generated_tokens}[record]
    characters = TEXT_BYTES_PER_TOKEN * (work.rollouts * prompt_tokens + work.generated_tokens)
    return checkpoints + characters / ROLLOUT_COMPRESSION + RECORDED_TOKEN_BYTES * recorded


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
    if config.stage == "expert_iteration":
        length = prompt_tokens + config.sampling.max_response_tokens
        return max(1, min(config.batch_responses, config.batch_tokens // length)), length
    if config.stage in ("ntp", "sft"):
        return config.batch_tokens / config.max_document_tokens, config.max_document_tokens
    return 0, 0
