"""What the engine verl lacks, as far as a config tells: such a config is refused wherever it is given.

In: the config of an RPT run. Out: rules, each for one thing. `rpt_core.verl_backend` relies on them.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Protocol

from rpt_core.config.base import ModelConfig, VllmConfig
from rpt_core.config.rules import Refusal, Rule

REWARDS = ("prefix", "first_token", "custom")
"""Rewards that ask no model."""


class _Updates(Protocol):
    """The part of `GrpoConfig` that the rules look at."""

    @property
    def minibatch_groups(self) -> int | None: ...


class _Cluster(Protocol):
    """The part of `VerlConfig` that the rules look at."""

    @property
    def nodes(self) -> int: ...

    @property
    def gpus_per_node(self) -> int: ...

    @property
    def micro_batch_per_gpu(self) -> int: ...


class VerlRun(Protocol):
    """The part of `RptConfig` that the rules look at; the config itself takes the rules from here."""

    @property
    def engine(self) -> str: ...

    @property
    def model(self) -> ModelConfig: ...

    @property
    def verl(self) -> _Cluster: ...

    @property
    def vllm(self) -> VllmConfig: ...

    @property
    def grpo(self) -> _Updates: ...

    @property
    def batch_problems(self) -> int: ...

    @property
    def group_size(self) -> int: ...

    @property
    def steps(self) -> int: ...

    @property
    def checkpoint_every_steps(self) -> int: ...

    @property
    def evaluate_at_steps(self) -> tuple[int, ...]: ...


def _only(name: str, *values: str) -> Rule:
    def rule(config: VerlRun) -> Iterator[Refusal]:
        given = attrgetter(name)(config)
        if config.engine == "verl" and given not in values:
            yield (
                name,
                f"The engine verl does not support {given}. Use {' or '.join(values)}, or `engine: torch`.",
            )

    return rule


def _one_process_on_a_cpu(config: VerlRun) -> Iterator[Refusal]:
    if config.engine == "verl" and config.model.device == "cpu" and config.verl.gpus_per_node > 1:
        yield (
            "verl.gpus_per_node",
            "The engine verl does not support more than 1 with `model.device: cpu`. Set it to 1, or use GPUs.",
        )


def _rows_divide(config: VerlRun) -> Iterator[Refusal]:
    gpus, micro = config.verl.nodes * config.verl.gpus_per_node, config.verl.micro_batch_per_gpu
    rows = (config.grpo.minibatch_groups or config.batch_problems) * config.group_size
    if config.engine == "verl" and rows % gpus:
        yield (
            "verl",
            f"{rows} responses of an update do not divide among {gpus} GPUs. Change `batch_problems`, `group_size`, "
            "`grpo.minibatch_groups` or the GPUs in `verl`.",
        )
    elif config.engine == "verl" and rows // gpus % micro:
        fitting = max(size for size in range(1, micro) if rows // gpus % size == 0)
        yield (
            "verl.micro_batch_per_gpu",
            f"{rows // gpus} responses of an update on each GPU do not divide into passes of {micro}. Give {fitting}.",
        )


def _engines_divide(config: VerlRun) -> Iterator[Refusal]:
    gpus, parallel = config.verl.nodes * config.verl.gpus_per_node, config.vllm.tensor_parallel
    if config.engine == "verl" and gpus % parallel:
        yield (
            "vllm.tensor_parallel",
            f"{gpus} GPUs (`verl.nodes` times `verl.gpus_per_node`) do not divide into engines of {parallel}. Lower "
            "it, or use more GPUs.",
        )


def _evaluates_checkpoints(config: VerlRun) -> Iterator[Refusal]:
    every, steps = config.checkpoint_every_steps, config.steps
    wrong = [step for step in config.evaluate_at_steps if step % every and step < steps]
    if config.engine == "verl" and wrong:
        yield (
            "evaluate_at_steps",
            f"The engine verl evaluates checkpoints. Give 0, multiples of `checkpoint_every_steps` ({every}) and the "
            f"end ({steps}), but not {', '.join(map(str, wrong))}.",
        )


BEYOND_VERL: tuple[Rule, ...] = (
    _only("reward.kind", *REWARDS),
    _only("grpo.overlong", "keep"),
    _only("optimiser.schedule", "constant", "cosine"),
    _only("rollout_backend", "auto", "vllm"),
    _only("sampling.record_tokens", "none"),
    _one_process_on_a_cpu,
    _rows_divide,
    _engines_divide,
    _evaluates_checkpoints,
)
