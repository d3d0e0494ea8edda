"""vLLM's plugin (`vllm.general_plugins`): on its build for CPUs, keep weights that a trainer can exchange.

vLLM calls `register` in each of its processes. Without a CPU build it changes nothing.
"""

from __future__ import annotations

from rpt_core.inference.vllm_cpu import is_cpu_build, keep_plain_weights


def register() -> None:
    """Called by vLLM."""
    if is_cpu_build():
        keep_plain_weights()
