"""`manage.py up` as a process of its own on a data folder, for tests that use the platform as people do."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import psycopg
from django.conf import settings
from psycopg.rows import dict_row

from rpt_web.supervisor.embedded import DATABASE, USER
from rpt_web.supervisor.paths import socket_dir

ROOT = settings.ROOT
PATIENCE_SECONDS = 300


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, patience=PATIENCE_SECONDS):
    deadline = time.monotonic() + patience
    while not (value := what()):
        assert time.monotonic() < deadline, f"still {value!r} after {patience} s"
        time.sleep(0.1)
    return value


class Up:
    """One `manage.py up` on a data folder."""

    def __init__(self, data_dir, port=None, **environment):
        self.data_dir = data_dir
        self.port = port or free_port()
        removed = ("DATABASE_URL", "REDIS_URL", "RPT_DATA_DIR", "DJANGO_SETTINGS_MODULE")
        self.environment = {name: value for name, value in os.environ.items() if name not in removed}
        self.environment |= environment
        self.process = None

    def start(self):
        command = [sys.executable, "manage.py", "up", "--data-dir", str(self.data_dir), "--port", str(self.port)]
        with self.output_path.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    @property
    def output_path(self):
        return Path(f"{self.data_dir}.output")

    @property
    def output(self):
        return self.output_path.read_text()

    def until_ready(self):
        wait_for(lambda: "The platform runs at" in self.output or self.process.poll() is not None)
        assert self.process.poll() is None, self.output
        return self

    def healthz(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/healthz")
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException):
            return None, None
        finally:
            connection.close()

    def manage(self, *words):
        """Run a command of `manage.py` on the platform's database."""
        environment = self.environment | {"RPT_DATA_DIR": str(self.data_dir)}
        command = [sys.executable, "manage.py", *words]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    def ask(self, script):
        """What a script answers that runs against the platform's database."""
        done = self.manage("shell", "-c", script)
        answer = re.search("^ANSWER (.*)$", done.stdout, re.MULTILINE)
        assert answer, done.stderr
        return json.loads(answer[1])

    def row(self, statement, *values):
        """The first row that the platform's database answers with, as a dictionary."""
        where = {"host": str(socket_dir(self.data_dir)), "dbname": DATABASE, "user": USER}
        with psycopg.connect(**where, row_factory=dict_row) as session:
            return session.execute(statement, values).fetchone()

    def stop(self, signum):
        """Send a signal and wait for the end; how long it may take depends on what else this machine does."""
        self.process.send_signal(signum)
        return self.process.wait(PATIENCE_SECONDS)

    def pid_of(self, part):
        return next((pid for pid, words in processes_of(self.data_dir).items() if part in words), None)


def processes_of(data_dir):
    """Processes that know the data folder from their command line, environment or working folder."""
    found = {}
    mark = str(data_dir).encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes()
            known = words + (entry / "environ").read_bytes() + os.readlink(entry / "cwd").encode()
            if mark in known and (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found[int(entry.name)] = words.replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
    return found
