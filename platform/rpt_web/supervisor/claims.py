"""What a supervisor must have for itself before it starts anything: the data folder and the port."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from rpt_core.errors import UserError

LEFTOVER_SECONDS = 20
"""How long the children of a killed supervisor may take to end."""


class DataFolderLock:
    """A lock on the data folder. Its file descriptor is handed to the children, so it also covers what a killed
    supervisor left behind; the kernel frees it when the last of them has ended."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.path = data_dir / "lock"
        self._file: TextIO | None = None

    def take(self, pause: Callable[[float], None] = time.sleep, **facts: Any) -> None:
        """Take the lock and note who has it. Raises UserError, naming the holder, when it is taken."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        file = self.path.open("a+")
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while not _locked(file):
            holder = _holder(file)
            if _alive(holder.get("pid")):
                raise UserError(self._taken_by(holder))
            if time.monotonic() > deadline:
                raise UserError(
                    f"Processes of an earlier start still use the data folder {self.data_dir}. "
                    f"Find them with `fuser {self.path}` and end them, or choose another --data-dir."
                )
            pause(0.1)
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), **facts}))
        file.flush()
        self._file = file

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()
            self._file = None

    def fileno(self) -> int:
        """The descriptor that holds the lock."""
        assert self._file is not None
        return self._file.fileno()

    def _taken_by(self, holder: dict[str, Any]) -> str:
        return (
            f"The data folder {self.data_dir} is used by process {holder['pid']}, "
            f"which serves {holder.get('address')}. Use that one, stop it (Ctrl-C), or choose another --data-dir."
        )


def served_address(data_dir: Path) -> str | None:
    """Where the platform that uses a data folder on this machine can be reached; None when none does."""
    try:
        with (data_dir / "lock").open() as file:
            holder = _holder(file)
    except FileNotFoundError:
        return None
    return holder.get("address") if _alive(holder.get("pid")) else None


def check_port(host: str, port: int) -> None:
    """Raise UserError when nothing can listen at an address now."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror:
        raise UserError(
            f"--host {host!r} is not an address of this machine. Give 127.0.0.1, 0.0.0.0 or a name of it."
        ) from None
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise UserError(
                f"Port {port} on {host} cannot be used ({error.strerror}). "
                "Stop the program that listens there, or choose another with --port."
            ) from None


def _locked(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: TextIO) -> dict[str, Any]:
    file.seek(0)
    try:
        holder = json.loads(file.read())
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _alive(pid: Any) -> bool:
    """Whether a process is there; a zombie, which no parent has buried yet, is not."""
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")
