"""A limit on the memory that a piece of work takes: what needs more raises MemoryError, and the machine stays well.

In: bytes. Out: a block in which this process, and each process that begins in it, may take so much more for its data
than this one has already; what is only mapped, such as libraries, does not count. Linux alone tells how much that is:
elsewhere there is no limit.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STATM = Path("/proc/self/statm")
_DATA = 5
"""Where `statm` has the pages of data."""


@contextmanager
def memory_limit(more_bytes: int) -> Iterator[None]:
    """Let the block take so many bytes more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if not _STATM.exists():
        yield
        return
    limit = int(_STATM.read_text().split()[_DATA]) * resource.getpagesize() + more_bytes
    others = [other for other in (soft, hard) if other != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([limit, *others]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
