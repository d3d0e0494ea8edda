"""Word of the worker's own end, from Celery's main process to the pool's processes.

Celery tells only its main process that it shuts down. One byte of memory, shared by fork, carries the news to the
runners, which then stop their stages and hand the runs back.
"""

from __future__ import annotations

import mmap
from typing import Any

from celery.signals import worker_shutting_down

_flag = mmap.mmap(-1, 1)


def request(**_: Any) -> None:
    """Say that the worker is being stopped."""
    _flag[0] = 1


def is_requested() -> bool:
    """Whether the worker is being stopped."""
    return _flag[0] == 1


worker_shutting_down.connect(request)
