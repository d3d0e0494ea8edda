"""An upload outlives the web server, and takes none of its memory."""

from __future__ import annotations

import hashlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from rpt_web.corpora import services
from rpt_web.serving.uploads import SAVE_BYTES
from tests.rpt_web.corpora.senders import Sender, until
from tests.rpt_web.corpora.test_tus import session_of
from tests.workers.processes import database_url

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]
MB = 1_000_000
PIECE = random.Random(1).randbytes(MB)
LARGE_MB = int(os.environ.get("RPT_UPLOAD_MB", "300"))
"""With 5000 the web server grew by 2.5 MB (29 November 2026), as with 300."""
FLAT_MB = 60
"""What a web server may grow by while it answers its first requests and passes on a file of any size."""


class Web:
    """The web server as `manage.py up` starts it."""

    def __init__(self, settings):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.environment = {
            **os.environ,
            "DATABASE_URL": database_url(),
            "PYTHONPATH": f"{settings.ROOT}:{settings.ROOT / 'platform'}",
        }
        self.start()

    def start(self):
        command = [sys.executable, "-m", "uvicorn", "rpt_web.asgi:application", "--port", str(self.port)]
        self.process = subprocess.Popen([*command, "--lifespan", "off", "--no-access-log"], env=self.environment)
        until(self.answers, 90)

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def memory_mb(self, name):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) / 1000


@pytest.fixture
def web(settings):
    web = Web(settings)
    yield web
    web.kill()


@pytest.fixture
def version(ada):
    return services.new_version(services.create_corpus("Sums", ada), ada)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def test_a_killed_web_server_loses_at_most_what_was_not_forced_to_the_disk(web, version, ada):
    sender = Sender(web.port, session_of(ada))
    data = PIECE * 60
    address = sender.begin(version, "a.jsonl", len(data))
    with sender.opened(address, 0, len(data)) as connection:
        connection.sendall(data[: 40 * MB])
        until(lambda: sender.offset(address) > 20 * MB, 60)
        web.kill()
    web.start()
    offset = sender.offset(address)
    assert 40 * MB - offset <= SAVE_BYTES + 10 * MB, "and what was under way between the two"
    assert sender.add(address, offset, data[offset:])[0] == 204
    assert digest((version.folder / "files" / "a.jsonl").read_bytes()) == digest(data)


def test_a_large_file_that_is_broken_off_and_resumed_takes_no_memory_of_the_web_server(web, version, ada):
    sender = Sender(web.port, session_of(ada))
    small = sender.begin(version, "small.jsonl", MB)
    sender.add(small, 0, PIECE)  # whatever the first upload loads
    before = web.memory_mb("VmRSS")
    address = sender.begin(version, "large.jsonl", LARGE_MB * MB)
    with sender.opened(address, 0, LARGE_MB * MB) as connection:
        for _ in range(LARGE_MB // 2):
            connection.sendall(PIECE)
    until(lambda: sender.offset(address) > (LARGE_MB // 2 - 30) * MB, 60)
    offset = until(lambda: sender.settled(address), 60)
    with sender.opened(address, offset, LARGE_MB * MB - offset) as connection:
        connection.sendall(PIECE[offset % MB :])
        for _ in range(LARGE_MB - offset // MB - 1):
            connection.sendall(PIECE)
        assert connection.recv(100).startswith(b"HTTP/1.1 204")
    grown = web.memory_mb("VmHWM") - before
    print(f"grown by {grown:.1f} MB, from {before:.1f} MB, for {LARGE_MB} MB, broken off after {offset / MB:.0f} MB")
    assert grown < FLAT_MB
    hashed = hashlib.sha256()
    for _ in range(LARGE_MB):
        hashed.update(PIECE)
    with (version.folder / "files" / "large.jsonl").open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == hashed.hexdigest()
