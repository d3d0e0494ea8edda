"""Tells of the machine that a worker runs on: at its start, and then every minute.

In: the worker's start. Out: the machine's row (`runs.nodes`). What the machine can run is found once, by a child
process: it loads torch, which then is not in the worker, and a driver that hangs or crashes hurts nobody. The child is
the program that runs the stages, so what is found holds for them.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from celery.signals import worker_ready, worker_shutdown
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from kombu.exceptions import OperationalError as BrokerError

from rpt_core.errors import said
from rpt_core.machine.gpus import gpu_figures
from rpt_web.jobs.models import QUICK_QUEUE
from rpt_web.runs import nodes
from rpt_web.supervisor.processes import die_with_parent
from workers.stage_process import SECRETS

BEAT_SECONDS = 60.0
EXAMINE_SECONDS = 300.0
"""The first import of torch from a cold network disk takes minutes."""
TICK_SECONDS = 0.2
JOIN_SECONDS = 3.0
logger = logging.getLogger(__name__)


def announce(sender: Any, **_: Any) -> None:
    """Start to tell; `sender` is the worker's consumer."""
    queues, stop = sorted(sender.app.amqp.queues.consume_from), threading.Event()

    def listen(is_drained: bool) -> None:
        act = sender.app.control.cancel_consumer if is_drained else sender.app.control.add_consumer
        for queue in set(queues) - {QUICK_QUEUE}:
            act(queue, destination=[sender.hostname])

    thread = threading.Thread(target=keep_registered, args=(queues, stop, listen), name="registration", daemon=True)
    thread.start()

    def end(**_: Any) -> None:
        stop.set()
        thread.join(JOIN_SECONDS)

    worker_shutdown.connect(end, weak=False)


def keep_registered(
    queues: list[str], stop: threading.Event, listen: Callable[[bool], None] = lambda is_drained: None
) -> None:
    """Register, examine the machine, and register again every minute until told to stop.

    `listen` is told when the node is drained, and when it no longer is.
    """
    name, was_drained = nodes.own_name(), False
    _register(name, queues)
    takes_runs = queues != [QUICK_QUEUE]
    findings: list[nodes.Finding] | None = examine(stop) if takes_runs else None
    while not stop.is_set():
        if _register(name, queues, findings):
            findings = None
            was_drained = _obey(name, was_drained, listen)
        stop.wait(BEAT_SECONDS)


def examine(stop: threading.Event) -> list[nodes.Finding]:
    """What the doctor finds on this machine; when it cannot be asked, that."""
    environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
    try:
        child = subprocess.Popen(
            [*settings.RPT_STAGE_COMMAND, "doctor", "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=settings.ROOT,
            env=environment | {"RPT_DATA_DIR": str(settings.RPT_DATA_DIR)},
            preexec_fn=die_with_parent(signal.SIGKILL),
        )
    except OSError as error:
        return [_unanswered(said(error))]
    with child:
        return _answer(child, stop)


def _answer(child: subprocess.Popen[str], stop: threading.Event) -> list[nodes.Finding]:
    """Wait for the doctor's words, as long as the worker is not being stopped."""
    deadline = time.monotonic() + EXAMINE_SECONDS
    while True:
        try:
            output, errors = child.communicate(timeout=TICK_SECONDS)
            break
        except subprocess.TimeoutExpired:
            if stop.is_set() or time.monotonic() > deadline:
                child.kill()
                return [_unanswered(f"it did not answer within {EXAMINE_SECONDS:.0f} s")]
    try:
        findings: list[nodes.Finding] = json.loads(output)
    except ValueError:
        return [_unanswered(f"it ended with code {child.returncode}: {errors.strip()[-500:]}")]
    return findings


def _unanswered(why: str) -> nodes.Finding:
    words = f"could not look at this machine: {why}"
    remedy = f"{sys.executable} -m rpt_core doctor"
    return {"area": "machine", "name": "doctor", "level": "problem", "words": words, "remedy": remedy}


def _register(name: str, queues: list[str], findings: list[nodes.Finding] | None = None) -> bool:
    """Write to the database; one that is away is told with the next sign of life."""
    try:
        nodes.register(name, queues, findings, gpu_figures() if queues != [QUICK_QUEUE] else None)
    except (OperationalError, InterfaceError) as error:
        logger.warning("this node could not be registered: %s", error)
        return False
    finally:
        connection.close()
    return True


def _obey(name: str, was_drained: bool, listen: Callable[[bool], None]) -> bool:
    """Stop listening to the queues of runs when the node is drained, and begin again; whether it is drained."""
    try:
        is_drained = nodes.is_drained(name)
        if is_drained != was_drained:
            listen(is_drained)
            logger.info("this node %s", "is drained: it takes no new runs" if is_drained else "takes runs again")
    except (OperationalError, InterfaceError, BrokerError, OSError) as error:
        logger.warning("this node cannot tell whether it is drained: %s", error)
        return was_drained
    finally:
        connection.close()
    return is_drained


worker_ready.connect(announce)
