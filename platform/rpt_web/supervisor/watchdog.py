"""Stops the children when the supervisor is killed, on systems whose kernel does not (all but Linux).

A small process of its own reads lines "+PID SIGNAL" and "-PID" from a pipe. The pipe ends when the supervisor does,
however it ended; then every child that is still listed gets its signal.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

_process: subprocess.Popen[str] | None = None


def watch(pid: int, signum: signal.Signals) -> None:
    """List a child."""
    if sys.platform != "linux":
        tell(f"+{pid} {int(signum)}")


def forget(pid: int) -> None:
    """Take a child that has ended off the list: its number may be given to another process."""
    if sys.platform != "linux":
        tell(f"-{pid}")


def tell(line: str) -> None:
    """Send a line to the watchdog, starting it when needed."""
    global _process
    if _process is None or _process.poll() is not None:
        _process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
    assert _process.stdin is not None
    _process.stdin.write(line + "\n")


def main() -> None:
    """Read the list until the pipe ends, then signal who is left on it."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    listed: dict[int, int] = {}
    for line in sys.stdin:
        number, _, signum = line[1:].partition(" ")
        if line.startswith("+"):
            listed[int(number)] = int(signum)
        else:
            listed.pop(int(number), None)
    for pid, stop_signal in listed.items():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, stop_signal)


if __name__ == "__main__":
    main()
