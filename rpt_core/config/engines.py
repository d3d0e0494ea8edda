"""What the engine verl lacks, as far as a config tells: such a config is refused wherever it is given.

In: an RptConfig. Out: rules, each for one thing. `rpt_core.verl_backend` relies on them.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import TYPE_CHECKING

from rpt_core.config.rules import Refusal, Rule

if TYPE_CHECKING:
    from rpt_core.config.training import RptConfig

REWARDS = ("prefix", "first_token", "custom")
"""Rewards that ask no model."""


def _only(name: str, *values: str) -> Rule:
    def rule(config: RptConfig) -> Iterator[Refusal]:
        given = attrgetter(name)(config)
        if config.engine == "verl" and given not in values:
            yield (
                name,
                f"The engine verl does not have {given}. Take {' or '.join(values)}, or `engine: torch`.",
            )

    return rule


def _one_process_on_a_cpu(config: RptConfig) -> Iterator[Refusal]:
    if config.engine == "verl" and config.model.device == "cpu" and config.verl.gpus_per_node > 1:
        yield (
            "verl.gpus_per_node",
            "The engine verl does not have more than 1 with `model.device: cpu`. Set it to 1, or use GPUs.",
        )


def _rows_divide(config: RptConfig) -> Iterator[Refusal]:
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


def _engines_divide(config: RptConfig) -> Iterator[Refusal]:
    gpus, parallel = config.verl.nodes * config.verl.gpus_per_node, config.vllm.tensor_parallel
    if config.engine == "verl" and gpus % parallel:
        yield (
            "vllm.tensor_parallel",
            f"{gpus} GPUs (`verl.nodes` times `verl.gpus_per_node`) do not divide into engines of {parallel}. Lower "
            "it, or take more GPUs.",
        )


def _evaluates_checkpoints(config: RptConfig) -> Iterator[Refusal]:
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
    _one_process_on_a_cpu,
    _rows_divide,
    _engines_divide,
    _evaluates_checkpoints,
)
