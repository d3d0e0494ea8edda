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
import socket
import subprocess
import threading
from typing import Any

from celery.signals import worker_ready
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from rpt_web.runs import nodes
from rpt_web.supervisor.processes import die_with_parent
from workers.stage_process import SECRETS

BEAT_SECONDS = 60.0
EXAMINE_SECONDS = 300.0
"""The first import of torch from a cold network disk takes minutes."""
logger = logging.getLogger(__name__)


def announce(sender: Any, **_: Any) -> None:
    """Start to tell; `sender` is the worker's consumer."""
    queues = sorted(sender.app.amqp.queues.consume_from)
    threading.Thread(target=keep_registered, args=(queues,), name="registration", daemon=True).start()


def keep_registered(queues: list[str], stop: threading.Event | None = None) -> None:
    """Register, examine the machine, and register again every minute until told to stop."""
    stop, name = stop or threading.Event(), socket.gethostname()
    _register(name, queues)
    findings: list[nodes.Finding] | None = examine()
    while True:
        if _register(name, queues, findings):
            findings = None
        if stop.wait(BEAT_SECONDS):
            return


def examine() -> list[nodes.Finding]:
    """What the doctor finds on this machine; when it cannot be asked, that."""
    command = [*settings.RPT_STAGE_COMMAND, "doctor", "--json"]
    environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=EXAMINE_SECONDS,
            cwd=settings.ROOT,
            env=environment | {"RPT_DATA_DIR": str(settings.RPT_DATA_DIR)},
            preexec_fn=die_with_parent(signal.SIGKILL),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return [_unanswered(str(error))]
    try:
        findings: list[nodes.Finding] = json.loads(done.stdout)
    except ValueError:
        return [_unanswered(f"it ended with code {done.returncode}: {done.stderr.strip()[-500:]}")]
    return findings


def _unanswered(why: str) -> nodes.Finding:
    words = f"could not look at this machine: {why}"
    remedy = "python -m rpt_core doctor"
    return {"area": "machine", "name": "doctor", "level": "problem", "words": words, "remedy": remedy}


def _register(name: str, queues: list[str], findings: list[nodes.Finding] | None = None) -> bool:
    """Write to the database; one that is away is told with the next sign of life."""
    try:
        nodes.register(name, queues, findings)
    except (OperationalError, InterfaceError) as error:
        logger.warning("this node could not be registered: %s", error)
        return False
    finally:
        connection.close()
    return True


worker_ready.connect(announce)
