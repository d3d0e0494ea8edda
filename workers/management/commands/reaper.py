"""`manage.py reaper`: looks after stuck runs until it is stopped."""

from __future__ import annotations

import logging
import signal
import threading
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import InterfaceError, OperationalError, connection

from workers import reaper

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    """Runs rounds of `workers.reaper`; survives a database or Redis that is away."""

    help = "Queue runs of silent workers and runs that may start, and send queued runs whose message got lost."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """--once and --interval."""
        parser.add_argument("--once", action="store_true", help="one round, then end")
        parser.add_argument("--interval", type=float, help="seconds between rounds (default: an eighth of the lease)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run rounds until TERM or INT."""
        if options["once"]:
            reaper.run_round()
            return
        stop = threading.Event()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: stop.set())
        interval = options["interval"] or min(5.0, settings.RPT_LEASE_SECONDS / 8)
        reap_from = time.monotonic()
        while not stop.wait(interval):
            if not _round(reap=time.monotonic() >= reap_from):
                reap_from = time.monotonic() + settings.RPT_LEASE_SECONDS


def _round(reap: bool) -> bool:
    """One round; False when the database did not answer."""
    try:
        reaper.run_round(reap)
    except (OperationalError, InterfaceError) as error:
        logger.warning("the database does not answer: %s", error)
        connection.close()
        return False
    return True
