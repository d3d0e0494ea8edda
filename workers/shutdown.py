"""Word of the worker's own end, from Celery's main process to the pool's processes.

Celery tells only its main process to stop, and for SIGQUIT sends its own signal after it has waited for the tasks. So
the main process's handlers are wrapped: first they set one byte of memory that is shared with the pool by fork. The
runners look at it, stop their stages and hand the runs back.
"""

from __future__ import annotations

import mmap
import signal
from types import FrameType
from typing import Any

from celery.signals import worker_ready

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
_flag = mmap.mmap(-1, 1)


def request() -> None:
    """Say that the worker is being stopped."""
    _flag[0] = 1


def withdraw() -> None:
    """Say that it is not, or no more."""
    _flag[0] = 0


def is_requested() -> bool:
    """Whether the worker is being stopped."""
    return _flag[0] == 1


def announce(**_: Any) -> None:
    """Wrap the handlers that Celery has installed."""
    for signum in SIGNALS:
        _wrap(signum)


def _wrap(signum: signal.Signals) -> None:
    celerys = signal.getsignal(signum)

    def handle(number: int, frame: FrameType | None) -> None:
        request()
        if callable(celerys):
            celerys(number, frame)

    signal.signal(signum, handle)


worker_ready.connect(announce)
