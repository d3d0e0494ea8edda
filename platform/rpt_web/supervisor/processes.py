"""One child process: started in its own session, stopped by its own signal, gone when we are killed.

In: a command. Out: a running child whose output goes to a log file, which only owner and group may read and which is
kept small while the child writes to it. On Linux the kernel signals the child when the
thread that started it ends, so start children from the main thread. Elsewhere `watchdog` does the same.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from rpt_core.errors import UserError
from rpt_core.files import written_whole
from rpt_core.run.folder import older_log
from rpt_web.supervisor import watchdog
from rpt_web.supervisor.paths import make_private

LARGEST_LOG_BYTES = 10_000_000
"""A larger log is set aside as `.old`, in place of the one before."""
_PR_SET_PDEATHSIG = 1


@dataclass
class Child:
    """A child process. `user` is the account it runs as when we are root."""

    name: str
    command: Sequence[str | Path]
    log: Path
    env: Mapping[str, str] | None = None
    user: pwd.struct_passwd | None = None
    cwd: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals | None = None
    """What it gets when we are killed; by default the stop signal."""
    grace_seconds: float = 5.0
    """Time between the stop signal and the kill."""
    keep_open: Sequence[int] = ()
    """File descriptors that the child holds open too."""
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start the process; its output is appended to the log."""
        with open_log(self.log) as log:
            self.process = subprocess.Popen(
                [str(word) for word in self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=None if self.env is None else dict(self.env),
                cwd=self.cwd,
                start_new_session=True,
                pass_fds=self.keep_open,
                preexec_fn=die_with_parent(self.death_signal or self.stop_signal),
                user=None if self.user is None else self.user.pw_uid,
                group=None if self.user is None else self.user.pw_gid,
                extra_groups=None if self.user is None else [],
            )
        watchdog.watch(self.process.pid, self.death_signal or self.stop_signal)

    @property
    def running(self) -> bool:
        """Whether the process is there; a finished one is reaped."""
        return self.process is not None and self.process.poll() is None

    def signal_stop(self) -> None:
        """Ask the process to stop, without waiting."""
        if self.process is not None and self.running:
            self.process.send_signal(self.stop_signal)

    def stop(self, grace_seconds: float | None = None) -> None:
        """Ask the process to stop; kill it and what is left of its group after the grace."""
        self.signal_stop()
        self.wait_stopped(self.grace_seconds if grace_seconds is None else grace_seconds)

    def wait_stopped(self, seconds: float) -> None:
        """Wait for the end after `signal_stop`; kill after that many seconds."""
        if self.process is None:
            return
        try:
            self.process.wait(max(seconds, 0.0))
        except subprocess.TimeoutExpired:
            self._kill_group()
            self.process.wait()
        watchdog.forget(self.process.pid)

    def _kill_group(self) -> None:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def tail(self, lines: int = 15) -> str:
        """The last lines of the log, for error messages."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def ended_early(self) -> UserError:
        """The error for a process that ended before it was ready."""
        code = self.process.returncode if self.process is not None else None
        return UserError(
            f"{self.name} ended with code {code} before it was ready. Its log {self.log} ends:\n{self.tail()}"
        )


def open_log(path: Path) -> BinaryIO:
    """Open a log for appending, in a folder that is closed to others; a large one is set aside first."""
    make_private(path.parent)
    set_aside_large(path)
    return open(path, "ab", opener=_closed_to_others)


def set_aside_large(path: Path) -> bool:
    """Move what a large log holds into `.old`, and say whether that was done.

    The file stays, since a program has it open: it is copied and cut. What is written in the instant between the two is
    lost. It must be open for appending, or the program would go on at its old place.
    """
    if not path.exists() or path.stat().st_size <= LARGEST_LOG_BYTES:
        return False
    with (
        written_whole(older_log(path)) as draft,
        path.open("rb") as source,
        open(draft, "wb", opener=_closed_to_others) as copy,
    ):
        shutil.copyfileobj(source, copy, 1 << 20)
        os.truncate(path, 0)
    return True


def _closed_to_others(name: str, flags: int) -> int:
    return os.open(name, flags, 0o640)


def die_with_parent(signum: signal.Signals) -> Callable[[], None] | None:
    """What a child calls before exec, so that the kernel sends it a signal when its parent dies (Linux only)."""
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signum))
        if os.getppid() != parent:  # it died between fork and here
            os._exit(1)

    return ask_kernel
