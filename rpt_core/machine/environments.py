"""The Python environments that the setups make in the repository. Loads with nothing but the standard library."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLAIN, ENGINES = ".venv", (".venv-gpu", ".venv-verl")
"""Made by `make setup`, and by `deploy/gpu-node.sh` and `make setup-verl`: those have vLLM and verl too."""
ENGINE_SETUPS = (
    "On a GPU node run `deploy/gpu-node.sh` (docs/nodes.md); on a machine without a GPU run `make setup-verl`."
)
"""How vLLM and verl are installed."""


def is_own() -> bool:
    """Whether this process runs in one of them."""
    return any(_runs_in(name) for name in (PLAIN, *ENGINES))


def with_engines() -> str:
    """The one with vLLM and verl in which this process runs; empty in any other."""
    return next((name for name in ENGINES if _runs_in(name)), "")


def python_of(*names: str) -> str | None:
    """The interpreter of the first other one of these that is there, as it is typed here; None when none is."""
    found = (ROOT / name / "bin" / "python" for name in names if not _runs_in(name))
    return next((os.path.relpath(path) for path in found if path.exists()), None)


def _runs_in(name: str) -> bool:
    return Path(sys.prefix).resolve() == (ROOT / name).resolve()
