"""`manage.py up`: starts the whole platform and keeps it running until Ctrl-C or TERM."""

from __future__ import annotations

import shlex
import sys
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from rpt_core.errors import UserError
from rpt_web.runs.models import DEFAULT_QUEUE, GPU_QUEUE
from rpt_web.supervisor.stopping import Interrupted
from rpt_web.supervisor.tree import Options, ProcessTree
from rpt_web.teams.first import first_token

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Command(BaseCommand):
    """Starts Postgres, Redis, the web server, both workers and the reaper, and waits."""

    help = "Start the whole platform: database, queue, web server, workers, reaper. Ctrl-C stops it."
    requires_system_checks = []  # the start runs them with the migrations

    def add_arguments(self, parser: CommandParser) -> None:
        """Host, port, data folder, workers, queues."""
        add_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until a signal comes."""
        try:
            with ProcessTree(read_options(options), self.say) as tree:
                for line in greeting(tree):
                    self.say(line)
                try:
                    while True:
                        tree.pause(60)
                except Interrupted:
                    self.say("Stopping.")
        except Interrupted:
            self.say("Stopped before everything was ready.")
        except UserError as error:
            raise CommandError(str(error)) from None

    def say(self, line: str) -> None:
        """Print a line at once, even into a pipe."""
        self.stdout.write(line)
        self.stdout.flush()


def add_options(parser: CommandParser) -> None:
    """The options that `up` and `demo` share."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: 8000)")
    parser.add_argument("--workers", type=int, default=1, help="runs at a time (default: 1; demo: 2)")
    parser.add_argument(
        "--queues",
        default="",
        help="comma-separated queues that the worker takes runs from: default, gpu (when not given: gpu only when this "
        "machine has a GPU or no other worker listens to it)",
    )
    parser.add_argument(
        "--data-dir", default=str(settings.RPT_DATA_DIR), help="folder of all data (default: RPT_DATA_DIR, or ./data)"
    )


def read_options(options: dict[str, Any]) -> Options:
    """Checked options. Raises UserError for numbers out of bounds."""
    if not 1 <= options["port"] <= 65535:
        raise UserError(f"--port {options['port']} is not allowed. Give a number from 1 to 65535.")
    if not 1 <= options["workers"] <= 64:
        raise UserError(f"--workers {options['workers']} is not allowed. Give a number from 1 to 64.")
    queues = tuple(name.strip() for name in options["queues"].split(",") if name.strip())
    if unknown := [name for name in queues if name not in (DEFAULT_QUEUE, GPU_QUEUE)]:
        raise UserError(f"--queues {', '.join(unknown)} is not allowed. Give {DEFAULT_QUEUE}, {GPU_QUEUE}, or both.")
    return Options(options["host"], options["port"], options["workers"], queues)


def greeting(tree: ProcessTree) -> list[str]:
    """Where the platform is, and how to get in."""
    lines = ["", f"The platform runs at {tree.address} (data in {settings.RPT_DATA_DIR}). Ctrl-C stops it."]
    if not get_user_model().objects.exists():
        lines += ["There is no user yet. Make the first account by this link, within a day:", f"    {first_link(tree)}"]
    else:
        lines += ["Log in there, or make a login link in another terminal:", f"    {command('invite')} NAME"]
    return lines + host_advice(tree.options.host)


def first_link(tree: ProcessTree) -> str:
    """Where the first account can be made."""
    return f"{tree.address}{reverse('teams:first', args=[first_token()])}"


def command(name: str) -> str:
    """The command line of a management command for this data folder."""
    words = ["env", f"RPT_DATA_DIR={settings.RPT_DATA_DIR}", sys.executable, str(settings.ROOT / "manage.py")]
    return shlex.join([*words, name])


def host_advice(host: str) -> list[str]:
    """What to mind when others can reach the server."""
    if host in LOOPBACK:
        return []
    return [
        f"It listens on {host}, so other machines can reach it. Requests are answered only for the names in "
        f"RPT_ALLOWED_HOSTS (now: {', '.join(settings.ALLOWED_HOSTS)}): add the name that people type.",
        "The connection is not encrypted: put a proxy with HTTPS in front and set RPT_HTTPS=yes.",
    ]
