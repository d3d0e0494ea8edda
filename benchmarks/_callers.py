"""A platform of our own, the web server as `manage.py up` starts it, and its callers: for `load.py`.

In: settings. Out: a port, logins, answers with their times, streams that are followed.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rpt_web.runs.models import Run


@dataclass
class Answer:
    """A response: its status, the names of its headers, how long it took."""

    status: int
    headers: set[str]
    seconds: float


@dataclass
class Viewer:
    """Somebody who follows a run: the status and headers of the answer, and when something came."""

    status: int = 0
    headers: set[str] = field(default_factory=set)
    arrived: list[tuple[float, bytes]] = field(default_factory=list)


@contextmanager
def platform(keep: Path | None, runs: int) -> Iterator[None]:
    """A Postgres of our own with a little in it; keep: a folder for its data, without runs yet, which stays."""
    folder = keep or Path(tempfile.mkdtemp(prefix="rpt-bench-"))
    if keep is None:
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ.update(RPT_DATA_DIR=str(folder), DJANGO_SETTINGS_MODULE="rpt_web.settings", DATABASE_URL="")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "yes"  # a few rows between requests, in this process alone

    import django
    from django.core.management import call_command

    django.setup()
    from rpt_web.supervisor.embedded import EmbeddedPostgres

    server = EmbeddedPostgres(folder)
    server.start()
    try:
        call_command("migrate", verbosity=0, skip_checks=True)
        call_command("fill", responses=5000, runs=runs, steps=2000)
        yield
    finally:
        django.db.connections.close_all()
        server.stop()


@contextmanager
def web_server(**environment: str) -> Iterator[tuple[int, int]]:
    """The web server as a process of its own; gives its port and its process id."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "rpt_web.asgi:application", "--port", str(port)]
    command += ["--no-access-log", "--lifespan", "off", "--timeout-graceful-shutdown", "1"]
    log = Path(os.environ["RPT_DATA_DIR"]) / "web.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, env=os.environ | {"DJANGO_ALLOW_ASYNC_UNSAFE": ""} | environment, stdout=out, stderr=out
        )
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None:
                    raise SystemExit(log.read_text()) from None
                time.sleep(0.1)
        asyncio.run(ask(port, "/healthz"))
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(30)


def logins(number: int) -> list[str]:
    """Cookies of so many people, each with a session."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    from rpt_web.teams.membership import first_team
    from rpt_web.teams.models import Membership, Role, User

    people = User.objects.bulk_create(User(username=f"viewer-{i}", password="!none") for i in range(number))
    team = first_team()
    Membership.objects.bulk_create(Membership(user=user, team=team, role=Role.VIEWER) for user in people)
    cookies = []
    for user in people:
        session = SessionStore()
        backend = settings.AUTHENTICATION_BACKENDS[0]
        values = {
            SESSION_KEY: str(user.pk),
            BACKEND_SESSION_KEY: backend,
            HASH_SESSION_KEY: user.get_session_auth_hash(),
        }
        session.update(values)
        session.create()
        cookies.append(f"Cookie: {settings.SESSION_COOKIE_NAME}={session.session_key}\r\n")
    return cookies


def token() -> str:
    """The header of a program."""
    from rpt_web.teams.models import ApiToken, User

    secret = ApiToken.issue(User.objects.earliest("id"), "load", timedelta(days=1))
    return f"Authorization: Bearer {secret}\r\n"


def running_run() -> Run:
    """A run that seems to be running: no worker has it."""
    from django.utils import timezone

    from rpt_web.runs.models import Run, Status

    run = Run.objects.filter(name="rpt", status=Status.SUCCEEDED).latest("id")
    run.status, run.finished_at, run.started_at = Status.RUNNING, None, timezone.now()
    run.lease_until, run.step, run.total_steps = timezone.now() + timedelta(days=1), 80, 10_000
    run.save()  # only `runs.services` may do this in the platform; here no run ever ran
    return run


async def ask(port: int, path: str, header: str = "") -> Answer:
    """One request."""
    begin = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_request(path, header))
    status, headers = await _head(reader)
    await reader.read()
    writer.close()
    return Answer(status, headers, time.perf_counter() - begin)


async def all_at_once(port: int, path: str, headers: Sequence[str]) -> list[Answer]:
    """Connect all, send all, and only then read."""
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in headers]
    begin = time.perf_counter()
    for (_, writer), header in zip(streams, headers, strict=True):
        writer.write(_request(path, header))

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Answer:
        status, names = await _head(reader)
        await reader.read()
        writer.close()
        return Answer(status, names, time.perf_counter() - begin)

    return list(await asyncio.gather(*(read(*stream) for stream in streams)))


async def view(port: int, path: str, cookie: str, viewer: Viewer) -> None:
    """Follow a stream until it ends or the task is cancelled."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(_request(path, cookie))
        viewer.status, viewer.headers = await _head(reader)
        while part := await reader.read(65_536):
            viewer.arrived.append((time.perf_counter(), part))
    finally:
        writer.close()


def _request(path: str, header: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header}\r\n".encode()


async def _head(reader: asyncio.StreamReader) -> tuple[int, set[str]]:
    first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    return int(first.split()[1]), {line.partition(":")[0].lower() for line in rest if line}
