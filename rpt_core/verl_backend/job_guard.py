"""On a Ray cluster: runs a job's command and ends it when the stage that watches it is gone.

    python -m rpt_core.verl_backend.job_guard FILE SECONDS COMMAND...

In: a file of the shared folder that a living stage touches. Out: the command's exit code. A killed stage, or one whose
machine is lost, cannot stop its job, which would then hold the cluster's GPUs for hours. Only a change of the file's
time counts, since clocks of two machines differ.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

POLL_SECONDS = 1.0
GRACE_SECONDS = 10.0
"""Between TERM and KILL; Ray ends the actors of a driver that is gone."""
ABANDONED = 75
"""Exit code of a job without a stage."""


class Watch:
    """Says for how long a file has not been touched. A file that cannot be read counts as not touched."""

    def __init__(self, path: Path) -> None:
        self._path, self._last, self._changed_at = path, -1.0, time.monotonic()

    def silent_seconds(self) -> float:
        """Seconds since the last change that was seen, or since the start."""
        try:
            found = self._path.stat().st_mtime
        except OSError:
            found = self._last
        if found != self._last:
            self._last, self._changed_at = found, time.monotonic()
        return time.monotonic() - self._changed_at


def main(file: Path, limit_seconds: float, command: list[str]) -> int:
    """Run the command to its end, or until its stage has been silent for too long."""
    process = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    watch = Watch(file)
    while process.poll() is None:
        if watch.silent_seconds() > limit_seconds:
            print(f"job_guard: {file} was not touched for {limit_seconds:.0f} s: no stage watches this job", flush=True)
            _end(process)
            return ABANDONED
        time.sleep(POLL_SECONDS)
    return process.returncode


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
