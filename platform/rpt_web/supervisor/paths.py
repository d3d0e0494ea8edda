"""Where the embedded servers keep their files and sockets. No imports from Django: settings read this.

The embedded servers refuse to run as root, so a root supervisor runs them as another user. Where that user cannot reach
the data folder (a clone below root's private home, say), their files go below `ELSEWHERE`, and `servers_at` in the data
folder names the place. Nothing outside the data folder ever gets other permissions.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
import tempfile
from pathlib import Path

from rpt_core.files import write_first

LONGEST_SOCKET_PATH = 100
"""The kernel allows 107 bytes; this leaves room for the names of the sockets."""
ELSEWHERE = Path("/var/lib/rpt-platform")
"""For data folders that the servers' user cannot reach; kept over restarts, unlike the temporary folder."""


def servers_dir(data_dir: Path) -> Path:
    """Folder of the servers' files: the data folder, or the place that `servers_at` in it names."""
    data_dir = data_dir.absolute()
    note = data_dir / "servers_at"
    if note.exists():
        return Path(note.read_text().strip())
    if os.geteuid() != 0 or (data_dir / "postgres").exists() or reachable_by_all(data_dir.parent):
        return data_dir
    return _note_place(note)


def socket_dir(data_dir: Path) -> Path:
    """Folder of the unix sockets: among the servers' files, or a short one in the temporary folder."""
    inside = servers_dir(data_dir) / "run"
    if len(str(inside / ".s.PGSQL.5432.lock")) <= LONGEST_SOCKET_PATH:
        return inside
    name = hashlib.sha256(str(inside).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"rpt-{name}"


def reachable_by_all(folder: Path) -> bool:
    """Whether every user may pass through a folder and all above it; what does not exist yet is no hindrance."""
    real = folder.resolve()
    return all(path.stat().st_mode & stat.S_IXOTH for path in (real, *real.parents) if path.exists())


def make_private(folder: Path) -> None:
    """Make a folder, or close one that is there, so that only its owner and group may look into it."""
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & stat.S_IRWXO:
        with contextlib.suppress(PermissionError):  # another account's, whose business it is
            folder.chmod(mode & ~stat.S_IRWXO)


def _note_place(note: Path) -> Path:
    write_first(note, str(ELSEWHERE / secrets.token_hex(8)).encode())
    return Path(note.read_text())
