"""Whether verl still gets somewhere. Loads without torch.

In: an attempt's files. Out: words, once nothing is to be expected any more. verl 0.9.1 waits for ever for a vLLM engine
that has died: it hands over weights that nobody takes; and for responses that were asked of a lost machine. Whatever
else may hang shows by its silence.
"""

from __future__ import annotations

import re
import time

from rpt_core.verl_backend.failures import explain, tail
from rpt_core.verl_backend.folder import VerlFolder

ENGINE_DIED = re.compile(r"EngineDeadError")
NODE_DIED = re.compile(r"The node with node id: \S+ and address: (\S+) and .{0,200}?has been marked dead")
"""Ray tells every job of the cluster; its own machines are those whose processes have spoken in the log."""
STILL_WAITING = re.compile(r"pending: \d+, running: \d+|\[Performance\]|Time range: last|Per-operation statistics")
"""What verl writes again and again while it waits."""
GRACE_SECONDS = 60.0
"""How long verl may take to end by itself, with words of its own, when an engine or a machine has died."""
LOOK_SECONDS = 5.0


class StallWatch:
    """Looks at the log and at how much verl has written."""

    def __init__(self, folder: VerlFolder, limit_minutes: float) -> None:
        self._folder, self._limit_minutes = folder, limit_minutes
        self._written: tuple[int, str] | None = None
        self._looked_at = self._changed_at = time.monotonic()
        self._died_at: float | None = None
        self._cause: str | None = None

    def problem(self) -> str | None:
        """Why verl should be ended; None as long as it may go on. To be asked often: it looks seldom."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return None
        self._looked_at = now
        log = tail(self._folder.log)
        if (written := (self._bytes_written(), _last_words(log))) != self._written:
            self._written, self._changed_at = written, now
        if self._died_at is None and (ENGINE_DIED.search(log) or self._has_lost_a_node(log)):
            self._died_at, self._cause = now, explain(log)  # at once: what follows may push it out of the tail
        if self._died_at is not None and now - self._died_at > GRACE_SECONDS:
            return f"{self._cause} verl did not end by itself within {GRACE_SECONDS:.0f} s, so it was ended."
        if now - self._changed_at > 60 * self._limit_minutes:
            return (
                f"verl has written nothing for {self._limit_minutes:.3g} minutes, so it was ended. If a step may take "
                "that long, raise `verl.stall_minutes`."
            )
        return None

    def _bytes_written(self) -> int:
        folder = self._folder
        parts = (folder.dumps, folder.traces)
        files = [folder.metrics, *(path for part in parts for path in part.glob("*.jsonl"))]
        return sum(path.stat().st_size for path in files if path.is_file())

    def _has_lost_a_node(self, log: str) -> bool:
        if not (lost := set(NODE_DIED.findall(log))):
            return False
        whole = self._folder.log.read_text(encoding="utf-8", errors="replace")  # they spoke when they started
        return any(f", ip={address})" in whole for address in lost)


def _last_words(log: str) -> str:
    """The last line that tells of something new."""
    return next((line for line in reversed(log.splitlines()) if line and not STILL_WAITING.search(line)), "")
