"""A file's bytes, unpacked where its first bytes say that it is compressed (gzip, zstd, bzip2), whatever it is called.

In: a path. Out: a binary stream, and how much of the file has been read. What is cut off raises an error while it is
read; several compressed parts one after another are all read.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

ENDINGS = (".gz", ".gzip", ".zst", ".zstd", ".bz2")
"""Of compressed files. The first bytes decide; the ending only has to be known."""
_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2"}


@dataclass(frozen=True)
class Opened:
    """An open file."""

    stream: BinaryIO
    """Its bytes, unpacked."""
    _tell: Callable[[], int]
    _size: int

    def share_read(self) -> float:
        """Share of the file that has been read, between 0 and 1."""
        return min(1.0, self._tell() / self._size) if self._size else 1.0


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """The file for reading. Errors are those of the system and of pyarrow."""
    size = path.stat().st_size
    with ExitStack() as stack:
        plain = stack.enter_context(path.open("rb"))
        head = plain.read(4)
        plain.seek(0)
        packing = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)
        if packing is None:
            yield Opened(plain, plain.tell, size)
            return
        source = stack.enter_context(pa.PythonFile(plain, mode="r"))
        unpacked = stack.enter_context(pa.CompressedInputStream(source, packing))
        # pyarrow's stream has the methods that the buffer asks for, though not the type.
        stream = stack.enter_context(io.BufferedReader(cast("io.RawIOBase", unpacked), 1 << 16))
        yield Opened(cast("BinaryIO", stream), plain.tell, size)
