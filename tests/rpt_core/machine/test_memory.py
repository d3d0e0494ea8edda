"""A limit on memory: it holds in the block and in processes that begin there, and is gone after it."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from rpt_core.machine.memory import memory_limit

MB = 1_000_000


def test_more_than_the_limit_raises_and_less_does_not():
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with memory_limit(200 * MB):
        assert len(bytes(50 * MB)) == 50 * MB
        with pytest.raises(MemoryError):
            bytes(400 * MB)
    assert len(bytes(400 * MB)) == 400 * MB
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_a_process_that_begins_in_the_block_has_the_limit():
    command = [sys.executable, "-c", "import resource; print(resource.getrlimit(resource.RLIMIT_DATA)[0])"]
    with memory_limit(300 * MB):
        own = resource.getrlimit(resource.RLIMIT_DATA)[0]
        assert int(subprocess.check_output(command)) == own != resource.RLIM_INFINITY
