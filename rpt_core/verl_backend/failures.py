"""Why verl ended, in words for people, from the tail of its log. Loads without torch.

In: the end of a log. Out: a sentence with what to do, or None for what nobody has met yet. The first pattern that is
found wins: causes stand before what follows from them (an actor dies of a full memory).
"""

from __future__ import annotations

import re
from pathlib import Path

TAIL_BYTES = 200_000
_CAUSES = (
    (
        r"No space left on device|Errno 28|ENOSPC|OutOfDiskError",
        "The disk is full. Free some space, or set `keep_checkpoints`.",
    ),
    (
        r"CUDA out of memory|torch\.(cuda\.)?OutOfMemoryError|CUDA error: out of memory",
        "A GPU ran out of memory. Lower `verl.micro_batch_per_gpu`, `vllm.gpu_memory_share` or "
        "`sampling.max_response_tokens`, or use more GPUs.",
    ),
    (
        r"No available memory for the cache blocks|larger than the available KV cache memory|"
        r"is less than desired GPU memory utilization",
        "vLLM has too little memory for its cache of keys. Raise `vllm.gpu_memory_share`, or lower "
        "`sampling.max_response_tokens` and `prompt.max_prompt_tokens`.",
    ),
    (
        r"OutOfMemoryError|Cannot allocate memory|oom-kill|Workers \(tasks / actors\) killed due to memory pressure",
        "The machine ran out of memory. Lower `verl.micro_batch_per_gpu` or `sampling.batch_rows`, or use a larger "
        "machine.",
    ),
    (
        r"NodeDiedError|[Nn]ode .{0,80}(died|is dead|marked dead)|missed too many heartbeats|LocalRayletDiedError",
        "A node of the Ray cluster was lost. Look at its machine and network.",
    ),
    (
        r"PytorchStreamReader failed|failed finding central directory|unpickling stack underflow",
        "verl's own checkpoint is damaged. Start a new run from the exported checkpoint, as `model.path`.",
    ),
    (
        r"NCCL (error|WARN .*timed? ?out)|Watchdog caught collective operation timeout|DistBackendError",
        "The GPUs lost contact with each other (NCCL). Look at the network between the nodes.",
    ),
    (
        r"Total available GPUs \S+ is less than|No available node types can fulfill|resource request .* cannot be",
        "There are fewer GPUs than `verl.nodes` times `verl.gpus_per_node`. Lower them, or add nodes.",
    ),
    (
        r"ConfigCompositionException|Could not override|MissingMandatoryValue|ConfigAttributeError|"
        r"LexerNoViableAlt|OverrideParseException",
        "verl does not accept this configuration; its version is not 0.9, or this is a bug. The log names the key.",
    ),
    (
        r"EngineDeadError",
        "An engine of vLLM died. If the log says nothing else, the machine may have run out of memory.",
    ),
    (
        r"No module named '(verl|rpt_core)'",
        "The Ray cluster's Python lacks verl or this package. Start Ray with their environment activated "
        "(docs/nodes.md).",
    ),
    (
        r"(ActorDiedError|RayActorError|ActorUnavailableError|actor died unexpectedly|The actor is dead)",
        "One of verl's processes died. The end of its log is below.",
    ),
)


def explain(log: str) -> str | None:
    """The cause in words."""
    return next((words for pattern, words in _CAUSES if re.search(pattern, log)), None)


def tail(path: Path, size: int = TAIL_BYTES) -> str:
    """The end of a log; empty without one."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        return file.read().decode(errors="replace")
