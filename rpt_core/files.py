"""Files that are there whole or not at all, even after a crash or a power cut, and JSON that is read with care.

What is not complete yet has a name that ends in `.partial`; completing is one rename. Loads without torch and numpy.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rpt_core.errors import UserError, reading, said

PARTIAL_SUFFIX = ".partial"
"""Ends the name of a file or folder until it is complete."""


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old one or the whole new one, even after a crash."""
    with written_whole(path) as partial:
        partial.write_bytes(data)


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A partial file for the block to write; it takes the name when the block ends well, and both are on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + PARTIAL_SUFFIX)
    try:
        yield partial
        force_to_disk(partial)
    except BaseException:
        partial.unlink(missing_ok=True)  # so that a full disk has room again
        raise
    partial.replace(path)
    force_to_disk(path.parent)


def write_first(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write a file whole unless it is there already: of two processes that try, the first one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}{PARTIAL_SUFFIX}")
    with open(draft, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        file.write(data)
    try:
        force_to_disk(draft)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    force_to_disk(path.parent)


def force_to_disk(path: Path) -> None:
    """Wait until a file's content, or the names in a folder, would survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def bytes_of(place: Path) -> int:
    """How much a file, or all that lies in a folder, takes; 0 for what is not there. Links count as themselves."""
    if not place.is_dir() or place.is_symlink():
        return place.lstat().st_size if os.path.lexists(place) else 0
    size = 0
    for folder, _, names in os.walk(place):
        for name in names:
            with contextlib.suppress(OSError):  # gone by now, or not ours to look at
                size += os.lstat(os.path.join(folder, name)).st_size
    return size


def remove(place: Path) -> int:
    """Remove a file, or a folder with all that lies in it; how much that was. What is gone already is nothing."""
    size = bytes_of(place)
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    return size


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises UserError that names the file when it holds none."""
    with reading(path, "Write or copy it again."):
        text = path.read_bytes()
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON: {said(error)}. Write or copy it again.") from None
    if not isinstance(data, dict):
        raise UserError(f"{path} does not hold a JSON object. Write or copy it again.")
    return data
