"""What the NVIDIA GPUs of this machine are doing: memory and load, as `nvidia-smi` tells.

In: nothing. Out: plain data for each GPU that programs started from here may use, or None where nobody tells. Loads
without torch and numpy.
"""

from __future__ import annotations

import os
import subprocess
from typing import Any

from rpt_core.machine.visible import is_visible

MIB = 1 << 20
SECONDS = 20
_QUERY = (
    "nvidia-smi",
    "--query-gpu=index,uuid,name,memory.total,memory.used,utilization.gpu",
    "--format=csv,noheader,nounits",
)


def gpu_figures() -> list[dict[str, Any]] | None:
    """index, name, memory_bytes, used_bytes and load (0 to 1) of each GPU; single figures are None when not told."""
    try:
        done = subprocess.run(_QUERY, capture_output=True, text=True, timeout=SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return figures_of(done.stdout, os.environ.get("CUDA_VISIBLE_DEVICES"))


def figures_of(text: str, visible: str | None) -> list[dict[str, Any]]:
    """The same from the words of `nvidia-smi` and the value of CUDA_VISIBLE_DEVICES; None allows all."""
    rows = [[part.strip() for part in line.split(",")] for line in text.splitlines()]
    return [
        {
            "index": int(index),
            "name": name,
            "memory_bytes": _number(total, MIB),
            "used_bytes": _number(used, MIB),
            "load": _number(load, 0.01),
        }
        for index, uuid, name, total, used, load in (row for row in rows if len(row) == 6)
        if index.isdecimal() and is_visible(index, uuid, visible)
    ]


def _number(text: str, unit: float) -> float | None:
    return float(text) * unit if text.isdecimal() else None
