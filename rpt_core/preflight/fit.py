"""Whether a run fits its machine's memory, and what to do where it does not.

In: a config, the model's shape, the memory that it takes, the hardware. Out: warnings, each with a remedy that this
config has. Loads without torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rpt_core.machine.hardware import Hardware
from rpt_core.preflight.checks import Objection
from rpt_core.preflight.cost import Memory, is_verl, samples_with_vllm, trains, vllm_weights
from rpt_core.preflight.model_shape import ModelShape


def memory_problems(config: Any, shape: ModelShape, memory: Memory, machine: Hardware) -> Iterator[Objection]:
    """Warnings where a device does not hold the run, or vLLM's part of it does not hold the model."""
    has = machine.memory_gb * 1e9
    if memory.total > has:
        needed = f"About {memory.total / 1e9:.0f} GB of memory are needed on one device, and {machine.title} has "
        words = f"{needed}{machine.memory_gb:g} GB. {_remedy(config, memory, has)}"
        yield Objection("", words, "warning", limit=f"{machine.memory_gb:g} GB", source=machine.title)
    if samples_with_vllm(config, machine) and vllm_weights(config, shape) > memory.vllm:
        yield Objection(
            "vllm.gpu_memory_share",
            f"vLLM's part of {machine.title} is {memory.vllm / 1e9:.0f} GB, and its copy of the model takes "
            f"{vllm_weights(config, shape) / 1e9:.0f} GB. Raise the share, or `vllm.tensor_parallel`.",
            "warning",
            limit=f"{memory.vllm / 1e9:.0f} GB",
            source="vLLM's share of the device",
        )


def is_beyond_all_engines(config: Any, memory: Memory, has: float) -> bool:
    """Whether no engine can hold the run on devices of so many bytes: it trains on one, and the model alone is more."""
    return trains(config) and config.stage != "rpt" and memory.fixed > has


def _remedy(config: Any, memory: Memory, has: float) -> str:
    if is_verl(config):
        return (
            "Use more GPUs (`verl.gpus_per_node`, `verl.nodes`), a smaller `vllm.gpu_memory_share`, fewer responses "
            "at a time (`verl.micro_batch_per_gpu`) or shorter ones."
        )
    if is_beyond_all_engines(config, memory, has):
        return (
            f"No engine can hold this run: the stage {config.stage} trains on one device, and weights, gradients and "
            f"optimiser alone take {memory.fixed / 1e9:.0f} GB. Use a smaller model."
        )
    less = "a smaller `vllm.gpu_memory_share`, " if memory.vllm else ""
    verl = ", or `engine: verl`, which splits the model across GPUs" if config.stage == "rpt" else ""
    return f"Use {less}a smaller model, fewer rows at a time (`batch_rows`), shorter responses{verl}."
