"""The log of a run, as its folder has it: what its stage wrote to the terminal in all attempts.

A large log is set aside as `stage.log.old` while the stage writes on, so there may be two files. What lies in a run's
folder was written by its stage: only plain files are opened, never what a link there leads to.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rpt_core.run.folder import RunDir, older_log
from rpt_web.runs.models import Run
from rpt_web.text import on_a_terminal

TAIL_BYTES = 64_000
TAIL_LINES = 300
CHUNK_BYTES = 1 << 16
LONGEST_LINE = 4_000
"""Bytes of a line that are searched and shown."""


@dataclass(frozen=True)
class Tail:
    """The last lines, as a terminal would have shown them."""

    text: str
    lines: int
    is_all: bool
    size_bytes: int
    key: str
    """Changes whenever something is written."""


@dataclass(frozen=True)
class FoundLines:
    """Lines with a text: the last of them, each with its number; how many there are; of how many in all."""

    lines: list[tuple[int, str]]
    count: int
    of: int


def tail_of(run: Run) -> Tail | None:
    """The end of a run's log; None when there is none, or nothing in it."""
    with ExitStack() as opened:
        files = [opened.enter_context(file) for path in _paths(run) if (file := _open(path))]
        states = [os.fstat(file.fileno()) for file in files]
        size = sum(state.st_size for state in states)
        if not size:
            return None
        data = b""
        for file, state in zip(reversed(files), reversed(states), strict=True):
            wanted = TAIL_BYTES - len(data)
            file.seek(max(0, state.st_size - wanted))
            data = file.read(wanted) + data
    whole_lines = data if size <= TAIL_BYTES else data.partition(b"\n")[2] or data
    lines = on_a_terminal(whole_lines.decode(errors="replace")).rstrip("\n").split("\n")
    return Tail(
        text="\n".join(lines[-TAIL_LINES:]),
        lines=min(len(lines), TAIL_LINES),
        is_all=size <= TAIL_BYTES and len(lines) <= TAIL_LINES,
        size_bytes=size,
        key=_key(states),
    )


def key_of(run: Run) -> str:
    """The same key as that of `tail_of`, without reading; empty when there is nothing."""
    states = []
    for path in _paths(run):
        if file := _open(path):
            with file:
                states.append(os.fstat(file.fileno()))
    return _key(states)


def search(run: Run, wanted: str) -> FoundLines:
    """The last lines that hold a text, whatever its case."""
    lines: deque[tuple[int, str]] = deque(maxlen=TAIL_LINES)
    number, count, wanted = 0, 0, wanted.lower()
    for number, line in enumerate(_lines(run), start=1):
        shown = on_a_terminal(line[:LONGEST_LINE].decode(errors="replace"))
        if wanted in shown.lower():
            count += 1
            lines.append((number, shown.rstrip("\n")))
    return FoundLines(list(lines), count, number)


def whole_log(run: Run) -> Iterator[bytes]:
    """All that is kept of a run's log, byte by byte as it was written, in chunks."""
    for path in _paths(run):
        if file := _open(path):
            with file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk


def _lines(run: Run) -> Iterator[bytes]:
    for path in _paths(run):
        if file := _open(path):
            with file:
                while line := file.readline(CHUNK_BYTES):  # an endless line comes in pieces
                    yield line


def _key(states: Sequence[os.stat_result]) -> str:
    if not sum(state.st_size for state in states):
        return ""
    return "-".join(f"{state.st_size}.{state.st_mtime_ns}" for state in states)


def _paths(run: Run) -> list[Path]:
    log = RunDir(run.directory).log
    return [older_log(log), log]


def _open(path: Path) -> BinaryIO | None:
    """A plain file; None for anything else, and for nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    return os.fdopen(descriptor, "rb")
