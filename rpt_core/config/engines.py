"""What the engine verl lacks, as far as a config tells: such a config is refused wherever it is given.

In: an RptConfig whose `engine` is verl. Out: sentences, none for a config that verl can do. `rpt_core.verl_backend`
relies on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rpt_core.config.training import RptConfig

REWARDS = ("prefix", "first_token", "custom")
"""Rewards that ask no model."""


def beyond_verl(config: RptConfig) -> Iterator[str]:
    """What is asked of verl that it does not have, names first."""
    refused = {
        f"reward.kind: {config.reward.kind}": config.reward.kind not in REWARDS,
        f"grpo.overlong: {config.grpo.overlong}": config.grpo.overlong != "keep",
        "optimiser.schedule: linear": config.optimiser.schedule == "linear",
        "rollout_backend: transformers": config.rollout_backend == "transformers",
        "model.device: cpu with verl.gpus_per_node above 1": config.model.device == "cpu"
        and config.verl.gpus_per_node > 1,
    }
    names = [name for name, is_set in refused.items() if is_set]
    if names:
        yield (
            f"The engine verl does not have: {'; '.join(names)}. It takes rewards {', '.join(REWARDS)}, "
            "`overlong: keep`, schedules constant and cosine, and samples with vLLM. Change these, or use "
            "`engine: torch`."
        )
    yield from _division(config)
    yield from _evaluations(config)


def _division(config: RptConfig) -> Iterator[str]:
    gpus = config.verl.nodes * config.verl.gpus_per_node
    rows = (config.grpo.minibatch_groups or config.batch_problems) * config.group_size
    if rows % gpus:
        yield (
            f"{rows} responses of an update do not divide among {gpus} GPUs. Change `batch_problems`, `group_size`, "
            "`grpo.minibatch_groups` or the GPUs in `verl`."
        )


def _evaluations(config: RptConfig) -> Iterator[str]:
    every, steps = config.checkpoint_every_steps, config.steps
    late = [step for step in config.evaluate_at_steps if step > steps]
    wrong = [step for step in config.evaluate_at_steps if step % every and step < steps]
    if late or wrong:
        yield (
            f"The engine verl evaluates checkpoints: `evaluate_at_steps` may hold 0, multiples of "
            f"`checkpoint_every_steps` ({every}) and the end ({steps}), but holds "
            f"{', '.join(map(str, (*wrong, *late)))}."
        )
