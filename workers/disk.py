"""Whether this machine can work on runs: the data folder is the platform's, and something can be written there.

In: the settings, and the mark that the platform has stored. Out: None, or a sentence that says what is wrong and what
to do. A worker asks before it takes a run, and when one has ended badly: a full or unmounted disk is no fault of a run.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from django.conf import settings

from rpt_core.errors import is_full_disk
from rpt_web.runs import nodes

PROBE_BYTES = 1_000_000
"""More than what a file's name and first block need: a disk with less room is full."""


def problem() -> str | None:
    """What keeps this machine from working on runs."""
    return _foreign_folder() or _unwritable(settings.RPT_DATA_DIR / "runs")


def _foreign_folder() -> str | None:
    """The folder has changed since this process started, or it is not the one that the platform uses."""
    folder: Path = settings.RPT_DATA_DIR
    try:
        key = (folder / "secret_key").read_text()
    except OSError as error:
        return f"The data folder {folder} cannot be read ({error.strerror}: {error.filename}). Is its disk mounted?"
    if key != settings.SECRET_KEY:
        return (
            f"The data folder {folder} is not the one that was there when this worker started. Start the worker again."
        )
    if not nodes.is_of_the_platform():
        return (
            f"The data folder {folder} is not the platform's: its secret key or its path is another one. Set "
            "RPT_DATA_DIR to the shared folder, at the path that the web server has it at (docs/nodes.md)."
        )
    return None


def _unwritable(folder: Path) -> str | None:
    probe = folder / f".probe.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with probe.open("wb") as file:
            file.write(b"\0" * PROBE_BYTES)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if is_full_disk(error):
            return f"The disk of {folder} is full. Free some space there; the worker continues by itself."
        return f"Nothing can be written to {folder} ({error.strerror}). Look at the disk and the folder's rights."
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
    return None
