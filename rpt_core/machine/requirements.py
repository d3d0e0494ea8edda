"""What a preset needs of the machine that it runs on, and which of it is not here.

In: the `requires` part of a preset. Out: sentences, one for each thing that is missing. Nothing is loaded or started
but `nvidia-smi`. Loads without torch and numpy.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from rpt_core.config import Config
from rpt_core.machine.environments import ENGINE_SETUPS
from rpt_core.machine.visible import is_visible

NVIDIA_PROC = Path("/proc/driver/nvidia/gpus")
_QUERY = ("nvidia-smi", "--query-gpu=index,uuid,memory.total", "--format=csv,noheader,nounits")


class Requirements(Config):
    """What must be there."""

    gpu: bool = False
    """An NVIDIA GPU."""
    gpu_memory_gb: Annotated[float, Field(gt=0)] | None = None
    """Memory of one GPU, in GB (10^9 bytes)."""
    paths: tuple[str, ...] = ()
    """Files or folders, relative ones below the folder that the runs are started in."""
    engine: Literal["verl", "vllm"] | None = None
    """A package beyond the normal installation."""


@cache
def gpu_memories() -> tuple[float | None, ...]:
    """Memory in GB of each NVIDIA GPU that programs started from here may use; None where it is not known."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return tuple(memory for index, uuid, memory in _from_nvidia_smi() if is_visible(index, uuid, visible))


def unmet(requires: Requirements) -> list[str]:
    """Sentences on what is missing; empty when all is there."""
    return [*_gpu(requires), *_paths(requires.paths), *_engine(requires.engine)]


def _gpu(requires: Requirements) -> list[str]:
    if not requires.gpu and requires.gpu_memory_gb is None:
        return []
    memories = gpu_memories()
    if not memories:
        return ["It needs an NVIDIA GPU, and none can be seen here. Run it on a machine that has one."]
    needed, known = requires.gpu_memory_gb, [memory for memory in memories if memory is not None]
    if needed is not None and known and max(known) < needed:
        return [f"It needs a GPU with {needed:g} GB of memory; the largest here has {max(known):.0f} GB."]
    return []


def _paths(paths: tuple[str, ...]) -> list[str]:
    absent = [Path(path).expanduser().absolute() for path in paths if not Path(path).expanduser().exists()]
    return [f"It needs {path}, which does not exist. Put it there." for path in absent]


def _engine(engine: str | None) -> list[str]:
    if engine is None or importlib.util.find_spec(engine) is not None:
        return []
    return [f"It needs {engine}, which is not installed. {ENGINE_SETUPS}"]


def _from_nvidia_smi() -> list[tuple[str, str, float | None]]:
    """Index, UUID and memory in GB of each GPU; without nvidia-smi, what the driver lists."""
    try:
        done = subprocess.run(_QUERY, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        listed = sorted(entry.name for entry in NVIDIA_PROC.iterdir()) if NVIDIA_PROC.is_dir() else []
        return [(str(index), name, None) for index, name in enumerate(listed)]
    rows = (line.split(", ") for line in done.stdout.splitlines() if line.count(", ") == 2)
    return [(index, uuid, _gigabytes(mebibytes)) for index, uuid, mebibytes in rows]


def _gigabytes(mebibytes: str) -> float | None:
    """From MiB as text; None where nvidia-smi says something like [N/A]."""
    return int(mebibytes) * 2**20 / 1e9 if mebibytes.strip().isdecimal() else None
