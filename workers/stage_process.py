"""The process of a stage: its own session and process group, gone when its worker is, output in `stage.log`.

In: a run's folder, a stage, an attempt. Out: an exit code and the log's tail. On Linux the kernel kills the stage when
the worker dies, so that the run's next attempt, from the newest checkpoint, never meets a second writer.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from rpt_core.errors import UserError
from rpt_core.run.folder import RunDir, older_log
from rpt_web.supervisor import watchdog
from rpt_web.supervisor.processes import die_with_parent, open_log, set_aside_large

LOG_TAIL_BYTES = 4000
logger = logging.getLogger(__name__)
SECRETS = ("DATABASE_URL", "REDIS_URL")
"""A stage needs neither, and what it does not have it cannot leak into a log."""


class StageProcess:
    """One attempt's process."""

    def __init__(self, folder: RunDir, stage: str, attempt: int) -> None:
        self.folder = folder
        self.attempt = attempt
        self.gpus: Sequence[int] | None = None
        """Those of the machine that it may use; None leaves it what the worker has."""
        self.command = [*settings.RPT_STAGE_COMMAND, stage, str(folder.path), "--attempt", str(attempt)]
        self._log_start = 0
        self._was_set_aside = False
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> int:
        """Start it, from a thread that outlives the stage; returns its number, which is its session's too."""
        with open_log(self.folder.log) as log:
            with contextlib.suppress(OSError):  # a full disk: the stage will say so itself
                line = f"== attempt {self.attempt}, {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC ==\n"
                os.write(log.fileno(), line.encode())
            self._log_start = log.seek(0, os.SEEK_END)
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=settings.ROOT,
                env=self._environment(),
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGKILL),
            )
        watchdog.watch(self._process.pid, signal.SIGKILL)
        self.folder.pid.write_text(str(self._process.pid))
        return self._process.pid

    def _environment(self) -> dict[str, str]:
        passed = {name: value for name, value in os.environ.items() if name not in SECRETS}
        if self.gpus is None:
            return passed
        # Without the order of the bus, CUDA counts the GPUs in another order than nvidia-smi.
        return passed | {
            "CUDA_VISIBLE_DEVICES": ",".join(map(str, self.gpus)),
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        }

    def poll(self) -> int | None:
        """The exit code (negative: killed by that signal), or None while it runs."""
        code = None if self._process is None else self._process.poll()
        if code is not None:
            self._bury()
        return code

    def wait(self, seconds: float) -> int | None:
        """Wait for the end, at most so long. A log that has grown large is set aside."""
        assert self._process is not None
        with contextlib.suppress(OSError):  # a full disk: the stage will say so itself
            if set_aside_large(self.folder.log):
                self._log_start, self._was_set_aside = 0, True
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self.poll()

    def terminate(self) -> None:
        """Ask the whole group to stop."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the whole group at once and wait for it; does nothing when it was never started or has ended."""
        if self._process is not None and self.poll() is None:
            self._signal(signal.SIGKILL)
            self._process.wait()
            self._bury()

    def log_tail(self) -> str:
        """The end of what this attempt has written to the log."""
        written = _end_of(self.folder.log, self._log_start)
        if self._was_set_aside and len(written) < LOG_TAIL_BYTES:
            written = _end_of(older_log(self.folder.log), 0) + written
        return written[-LOG_TAIL_BYTES:].decode("utf-8", errors="replace")

    def _signal(self, signum: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signum)

    def _bury(self) -> None:
        """The leader has ended: end what it left behind in its group."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        watchdog.forget(self._process.pid)
        self.folder.pid.unlink(missing_ok=True)


def warn(folder: RunDir, words: str) -> None:
    """Say something in the worker's log and in the run's."""
    logger.warning("%s", words)
    with contextlib.suppress(OSError), folder.log.open("a", encoding="utf-8", errors="replace") as log:
        log.write(f"warning: {words}\n")


def clear_leftover(folder: RunDir) -> bool:
    """End a stage that an earlier attempt's frozen worker left on this machine; False while the run is still locked."""
    if is_free(folder):
        return True
    with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError):
        pid = int(folder.pid.read_text())
        if str(folder.path) in _command_line(pid):  # not another process that was given the same number
            os.killpg(pid, signal.SIGKILL)
            time.sleep(0.1)
    return is_free(folder)


def is_free(folder: RunDir) -> bool:
    """Whether no process holds the run's lock."""
    try:
        with folder.locked():
            return True
    except UserError:
        return False


def _end_of(log: Path, start: int) -> bytes:
    with contextlib.suppress(FileNotFoundError), log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(start, size - LOG_TAIL_BYTES))
        return file.read()
    return b""


def _command_line(pid: int) -> str:
    if Path("/proc/self/cmdline").exists():
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True).stdout
