"""Everything the platform consists of, as one tree of processes: started in order, looked after, stopped in order.

In: host, port, number of workers; the data folder from the settings. Out: a running platform.
Order: lock, port, Postgres, Redis, migrations, then web server, workers and reaper; backwards at the end. Each step
waits until what it started answers. The web server is one process: a child of its own could outlive it and hold the
port. The worker passes a request to stop on to its stages, which write a checkpoint; their runs are queued again. The
quick lane has a worker of its own, so that nothing that a person waits for stands behind training.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db import connections

from rpt_core.errors import UserError
from rpt_core.machine.requirements import gpu_memories
from rpt_web.health import START_ID
from rpt_web.jobs.models import QUICK_QUEUE
from rpt_web.runs.nodes import own_name
from rpt_web.runs.queues import QUICK_AT_ONCE, choose_queues
from rpt_web.supervisor import paths, probes, schema
from rpt_web.supervisor.claims import DataFolderLock, check_port
from rpt_web.supervisor.embedded import EmbeddedPostgres, EmbeddedRedis, EmbeddedServer
from rpt_web.supervisor.keeper import Keeper
from rpt_web.supervisor.processes import Child
from rpt_web.supervisor.stopping import StopFlag

READY_SECONDS = 120
PROGRAMS_STOP_SECONDS = 7.0
"""Web server, workers and reaper stop together within this time; then they are killed."""
STAGE_STOP_SECONDS = "5"
"""A stage gets this long for its checkpoint, unless the environment says otherwise."""
STOP_SECONDS = 9.0
"""Everything stops within this time: Redis and Postgres get what the programs leave of it, at least a second each."""


@dataclass(frozen=True)
class Options:
    """What `up` and `demo` can be told."""

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    queues: tuple[str, ...] = ()
    """What the worker listens to; empty: what fits this machine and the other nodes."""


class ProcessTree:
    """The running platform. Use as a context manager: leaving it stops everything that was started."""

    def __init__(
        self, options: Options, say: Callable[[str], None], prepare: Callable[[], None] = lambda: None
    ) -> None:
        self.options = options
        self.say = say
        self._prepare = prepare
        """Called once the database can be used, before a worker takes the first run."""
        self.start_id = secrets.token_hex(8)
        self.flag = StopFlag()
        self.address = probes.url(options.host, options.port)
        self._lock = DataFolderLock(settings.RPT_DATA_DIR)
        self._servers: list[EmbeddedServer] = []
        self._programs: list[Child] = []
        self._keepers: list[Keeper] = []

    def __enter__(self) -> ProcessTree:
        self.flag.listen()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def pause(self, seconds: float) -> None:
        """Sleep while looking after the children. Raises Interrupted when a signal asks to stop."""
        end = time.monotonic() + seconds
        while True:
            for keeper in self._keepers:
                keeper.look()
            left = end - time.monotonic()
            self.flag.pause(max(0.0, min(left, 1.0)))
            if left <= 0:
                return

    def stop(self) -> None:
        """Stop everything that runs, in order."""
        self._keepers = []
        connections.close_all()
        for program in self._programs:
            program.signal_stop()
        started = time.monotonic()
        for program in self._programs:
            program.wait_stopped(started + PROGRAMS_STOP_SECONDS - time.monotonic())
        for server in reversed(self._servers):
            server.stop(max(1.0, started + STOP_SECONDS - time.monotonic()))
        self._programs, self._servers = [], []
        self._lock.release()

    def _start(self) -> None:
        self._lock.take(self.flag.pause, address=self.address)
        check_port(self.options.host, self.options.port)
        paths.make_private(settings.RPT_DATA_DIR / "runs")
        self._start_servers()
        self._migrate()
        self._prepare()
        connections.close_all()
        self._start_programs()
        servers = [
            Keeper(server.child, self.say, start=partial(server.start, self.flag.pause))
            for server in self._servers
            if server.child is not None
        ]
        self._keepers = servers + [Keeper(program, self.say) for program in self._programs]

    def _start_servers(self) -> None:
        data_dir: Path = settings.RPT_DATA_DIR
        wanted: list[tuple[str, type[EmbeddedServer]]] = [
            ("DATABASE_URL", EmbeddedPostgres),
            ("REDIS_URL", EmbeddedRedis),
        ]
        for variable, kind in wanted:
            if os.environ.get(variable):
                self.say(f"{kind.name}: the server that {variable} names")
                continue
            server = kind(data_dir, keep_open=(self._lock.fileno(),), say=self.say)
            self._servers.append(server)
            self._timed(kind.name, partial(server.start, self.flag.pause))
        if self._servers and paths.servers_dir(data_dir) != data_dir:
            self.say(f"The servers' files are in {paths.servers_dir(data_dir)}: their user cannot enter {data_dir}.")
        probes.check_database()
        probes.check_redis()

    def _migrate(self) -> None:
        self._timed("database schema", lambda: schema.bring_up_to_date(self.say))

    def _start_programs(self) -> None:
        begin = time.monotonic()
        for program in self._commands():
            self._programs.append(program)
            program.start()
        web, *workers, reaper = self._programs
        self._wait(web, self._web_answers, begin)
        for worker in workers:
            name = probes.worker_name(self.start_id, worker.name)
            self._wait(worker, partial(probes.worker_answers, name), begin)
        self._wait(reaper, lambda: True, begin)

    def _commands(self) -> list[Child]:
        python, options = sys.executable, self.options
        web = [python, "-m", "uvicorn", "rpt_web.asgi:application", "--host", options.host, "--port", str(options.port)]
        web += ["--timeout-graceful-shutdown", "2", "--no-access-log", "--lifespan", "off"]
        reaper = [python, str(settings.ROOT / "manage.py"), "reaper"]
        return [
            self._program("web", web),
            self._worker("worker", self._queues(), options.workers),
            self._worker("quick", [QUICK_QUEUE], QUICK_AT_ONCE),
            self._program("reaper", reaper),
        ]

    def _worker(self, name: str, queues: Sequence[str], at_once: int) -> Child:
        command = [sys.executable, "-m", "celery", "-A", "rpt_web.celery", "worker", "--loglevel", "INFO"]
        command += ["-Q", ",".join(queues), "--concurrency", str(at_once)]
        command += ["--hostname", probes.worker_name(self.start_id, name), "--without-gossip", "--without-mingle"]
        return self._program(name, command)

    def _queues(self) -> Sequence[str]:
        found = self.options.queues or choose_queues(bool(gpu_memories()), own_name())
        self.say(f"The worker takes runs from: {', '.join(found)}")
        return found

    def _program(self, name: str, command: list[str]) -> Child:
        log = settings.RPT_DATA_DIR / "logs" / f"{name}.log"
        return Child(
            name,
            command,
            log,
            env=self._environment(),
            cwd=settings.ROOT,
            death_signal=signal.SIGKILL,  # without their servers they could wait for ever
            keep_open=(self._lock.fileno(),),
        )

    def _environment(self) -> dict[str, str]:
        source = [str(settings.ROOT), str(settings.ROOT / "platform"), os.environ.get("PYTHONPATH", "")]
        return {
            "RPT_SHUTDOWN_GRACE_SECONDS": STAGE_STOP_SECONDS,
            **os.environ,
            START_ID: self.start_id,
            "RPT_DATA_DIR": str(settings.RPT_DATA_DIR),
            "DJANGO_SETTINGS_MODULE": "rpt_web.settings",
            "PYTHONPATH": os.pathsep.join(filter(None, source)),
            "PYTHONUNBUFFERED": "1",
        }

    def _web_answers(self) -> bool:
        answer = probes.web_start_id(self.options.host, self.options.port)
        if answer is not None and answer != self.start_id:
            raise UserError(
                f"Another server answers at {self.address}: its start id is {answer}, ours is {self.start_id}. "
                "Stop it, or choose another --port."
            )
        return answer is not None

    def _wait(self, child: Child, ready: Callable[[], bool], begin: float) -> None:
        while not ready():
            if not child.running:
                raise child.ended_early()
            if time.monotonic() - begin > READY_SECONDS:
                raise UserError(f"{child.name} did not answer within {READY_SECONDS} s. Its log: {child.log}")
            self.flag.pause(0.1)
        if not child.running:
            raise child.ended_early()
        self.say(f"{child.name}: ready after {time.monotonic() - begin:.1f} s")

    def _timed(self, name: str, action: Callable[[], object]) -> None:
        begin = time.monotonic()
        action()
        self.say(f"{name}: ready after {time.monotonic() - begin:.1f} s")
