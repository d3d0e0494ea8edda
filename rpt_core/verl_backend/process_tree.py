"""Ends everything that a command has started, daemons in sessions of their own included (Linux).

In: a word that the command's environment carries in MARK; its children inherit it. Out: none of them is left. Ray
starts daemons that belong to nobody's process group, and gives processes new titles, so that neither group nor name
finds them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

MARK = "RPT_VERL_RUN"
KEEP_ENVIRONMENT = {"SPT_NOENV": "1"}
"""Keeps new titles of processes from being written over their environment, where the mark is."""


def marked(mark: str) -> set[int]:
    """Processes with the mark, and all that descend from them; not this one."""
    needle = f"{MARK}={mark}\0".encode()
    parents: dict[int, int] = {}
    found: set[int] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError, ValueError):  # it has ended meanwhile, or is another user's
            pid = int(folder.name)
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if state == "Z":
                continue
            parents[pid] = int(parent)
            if needle in (folder / "environ").read_bytes() + b"\0":
                found.add(pid)
    while more := {pid for pid, parent in parents.items() if parent in found and pid not in found}:
        found |= more
    return found - {os.getpid()}


def end_marked(mark: str, grace_seconds: float) -> None:
    """TERM to all of them, after the grace KILL, until none is left."""
    _signal(marked(mark), signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while left := marked(mark):
        if time.monotonic() > deadline:
            _signal(left, signal.SIGKILL)
        time.sleep(0.1)


def _signal(pids: set[int], signum: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)
