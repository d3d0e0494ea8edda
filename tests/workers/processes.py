"""The processes of a small platform, for tests that harm them: real Redis, Celery workers, reaper."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from django.db import connection

from rpt_web.supervisor.embedded import EmbeddedRedis

PATIENCE_SECONDS = 90
LEASE_SECONDS = 3


class Platform:
    """The processes of a small platform; Redis is its own, so that it can be wiped."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.redis = EmbeddedRedis(folder, durable=False)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{name}.log").open("ab")
        process = subprocess.Popen(
            command, env=self.environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        log.close()
        self.processes[name] = process
        return process

    def start_worker(self, name="worker"):
        options = ("--concurrency", "1", "--loglevel", "INFO", "--hostname", f"{name}@test")
        return self.start(name, sys.executable, "-m", "celery", "-A", "rpt_web", "worker", *options)

    def start_quick(self, name="quick", app="rpt_web"):
        """The worker of the quick lane; another module may know more kinds of jobs."""
        options = ("-Q", "quick", "--concurrency", "2", "--loglevel", "INFO", "--hostname", f"{name}@test")
        return self.start(name, sys.executable, "-m", "celery", "-A", app, "worker", *options)

    def start_reaper(self):
        return self.start("reaper", sys.executable, "manage.py", "reaper", "--interval", "0.3")

    def wipe_redis(self):
        """Kill Redis and start a new one that knows nothing (it keeps its data in memory only)."""
        os.kill(self.redis.child.process.pid, signal.SIGKILL)
        self.redis.child.process.wait()
        self.redis.start()

    def stop(self):
        for process in self.processes.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.redis.stop()

    def logs(self):
        return "\n".join(f"--- {path.name}\n{path.read_text()[-3000:]}" for path in self.folder.glob("*.log"))


def database_url() -> str:
    target = connection.settings_dict
    if not target["HOST"].startswith("/"):
        return f"postgresql://{target['USER']}:{target['PASSWORD']}@{target['HOST']}:{target['PORT']}/{target['NAME']}"
    return f"postgresql://{target['USER']}@/{target['NAME']}?host={target['HOST']}"


def wait_for(what, *expected):
    """Wait until a function's value is one of the expected ones (or true), and return it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        value = what()
        if value in expected if expected else value:
            return value
        assert time.monotonic() < deadline, f"still {value!r} after {PATIENCE_SECONDS} s"
        time.sleep(0.1)
