"""Where the embedded servers keep their sockets. No imports from Django: settings read this."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

LONGEST_SOCKET_PATH = 100
"""The kernel allows 107 bytes; this leaves room for the names of the sockets."""


def socket_dir(data_dir: Path) -> Path:
    """Folder of the unix sockets: in the data folder, or a short one in the temporary folder when that is too deep."""
    inside = data_dir / "run"
    if len(str(inside / ".s.PGSQL.5432.lock")) <= LONGEST_SOCKET_PATH:
        return inside
    name = hashlib.sha256(str(data_dir).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"rpt-{name}"
