"""The embedded servers, for real: they start and stop, keep their data, let nobody else in, and outlive nobody."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest
import redis

from rpt_core.errors import UserError
from rpt_web.supervisor import paths, programs
from rpt_web.supervisor.embedded import EmbeddedPostgres, EmbeddedRedis
from rpt_web.supervisor.programs import postgres_programs, server_user

pytestmark = pytest.mark.slow
PATIENCE_SECONDS = 60
START_BOTH = """
import sys, time
from rpt_web.supervisor.embedded import EmbeddedPostgres, EmbeddedRedis
servers = [EmbeddedPostgres(sys.argv[1], durable=False), EmbeddedRedis(sys.argv[1], durable=False)]
for server in servers:
    server.start()
print(*(server.child.process.pid for server in servers), flush=True)
if sys.argv[2:] == ["stop"]:
    for server in servers:
        server.stop()
else:
    time.sleep(60)
"""
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as other users")


@pytest.fixture
def data_dir():
    folder = Path(tempfile.mkdtemp(prefix="rpt-embedded-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres(data_dir):
    server = EmbeddedPostgres(data_dir, durable=False)
    server.start()
    yield server
    server.stop()


def connect(server):
    return psycopg.connect(host=str(server.sockets), user="rpt", dbname="rpt", autocommit=True)


def environment(settings):
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{settings.ROOT}:{settings.ROOT / 'platform'}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_postgres_keeps_its_data_over_a_restart_and_its_role_is_no_superuser(postgres):
    with connect(postgres) as connection:
        connection.execute("CREATE TABLE kept (text text)")
        connection.execute("INSERT INTO kept VALUES ('ö€')")
        row = connection.execute(
            "SELECT current_setting('is_superuser'), current_setting('server_encoding')"
        ).fetchone()
        assert row == ("off", "UTF8")
    postgres.stop()
    assert not postgres.running
    postgres.start()
    with connect(postgres) as connection:
        assert connection.execute("SELECT text FROM kept").fetchone() == ("ö€",)


def test_redis_keeps_its_data_over_a_restart_and_never_evicts(data_dir):
    server = EmbeddedRedis(data_dir)
    server.start()
    client = redis.Redis.from_url(server.url)
    client.set("kept", "value")
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert client.config_get("port") == {"port": "0"}
    server.stop()
    server.start()
    assert client.get("kept") == b"value"
    client.close()
    server.stop()


def test_a_server_that_was_killed_starts_again(postgres):
    os.kill(postgres.child.process.pid, signal.SIGKILL)
    postgres.child.process.wait()
    postgres.start()
    connect(postgres).close()


def test_a_second_server_in_the_same_data_folder_is_refused(postgres, data_dir):
    with pytest.raises(UserError, match="A postgres server already runs in"):
        EmbeddedPostgres(data_dir, durable=False).start()
    connect(postgres).close()


def test_a_server_that_cannot_start_says_why_with_the_end_of_its_log(postgres):
    postgres.stop()
    (postgres.cluster / "postgresql.conf").write_text("nonsense = 1\n")
    with pytest.raises(UserError, match=r'(?s)postgres ended with code 1 before it was ready.*parameter "nonsense"'):
        postgres.start()


def test_the_sockets_are_in_a_folder_closed_to_others(postgres):
    user = server_user()
    found = postgres.sockets.stat()
    assert (found.st_mode & 0o777, found.st_uid) == (0o700, os.geteuid() if user is None else user.pw_uid)


@only_root
def test_postgres_lets_only_its_starter_in_even_where_the_socket_can_be_reached(postgres):
    postgres.sockets.chmod(0o755)
    psql = postgres_programs(postgres.servers) / "psql"
    for name in ("postgres", "nobody"):
        for role in ("rpt", "postgres"):
            done = subprocess.run(
                [psql, "-h", postgres.sockets, "-U", role, "-d", "rpt", "-c", "SELECT 1"],
                user=name,
                group=pwd.getpwnam(name).pw_gid,
                extra_groups=[],
                cwd="/",
                capture_output=True,
                text=True,
            )
            assert done.returncode == 2
            assert "Peer authentication failed" in done.stderr


@only_root
def test_a_socket_folder_that_somebody_else_made_is_refused(data_dir):
    stranger = pwd.getpwnam("daemon").pw_uid
    (data_dir / "run").mkdir()
    os.chown(data_dir / "run", stranger, -1)
    with pytest.raises(UserError, match=f"belongs to user id {stranger}"):
        EmbeddedRedis(data_dir).start()


@only_root
def test_without_an_account_for_postgres_the_servers_run_as_nobody(data_dir, monkeypatch):
    monkeypatch.setattr(programs, "ACCOUNTS", ("no such account", "nobody"))
    server = EmbeddedPostgres(data_dir, durable=False)
    server.start()
    connect(server).close()
    server.stop()
    assert server.cluster.stat().st_uid == pwd.getpwnam("nobody").pw_uid
    monkeypatch.setattr(programs, "ACCOUNTS", ("no such account",))
    with pytest.raises(UserError, match=r"none of the accounts no such account exists\. Add one"):
        server.start()


@only_root
def test_programs_that_the_servers_user_cannot_reach_are_copied(data_dir):
    private = data_dir / "private"
    private.mkdir(mode=0o700)
    package = private / "site"
    (package / "bin").mkdir(parents=True)
    (package / "bin" / "program").touch(mode=0o755)
    found = programs.executable_by_all(package, ("bin/program", "not there"), data_dir / "programs" / "1.0")
    assert found == data_dir / "programs" / "1.0"
    assert (found / "bin" / "program").exists()
    assert programs.executable_by_all(Path("/usr"), ("bin/env",), data_dir / "unused") == Path("/usr")
    assert not (data_dir / "unused").exists()


@only_root
def test_below_a_private_home_the_servers_files_go_elsewhere_and_the_home_stays_private(data_dir, monkeypatch):
    elsewhere = Path(tempfile.mkdtemp(prefix="rpt-elsewhere-"))
    elsewhere.chmod(0o755)
    monkeypatch.setattr(paths, "ELSEWHERE", elsewhere)
    home = data_dir / "home"
    home.mkdir(mode=0o700)
    server = EmbeddedPostgres(home / "data", durable=False)
    server.start()
    connect(server).close()
    server.stop()
    assert server.servers.parent == elsewhere
    assert not (home / "data" / "postgres").exists()
    assert home.stat().st_mode & 0o777 == 0o700
    assert EmbeddedRedis(home / "data").servers == server.servers
    shutil.rmtree(elsewhere)


@only_root
def test_a_data_folder_that_has_become_unreachable_is_not_silently_replaced_by_an_empty_one(data_dir):
    server = EmbeddedPostgres(data_dir / "data", durable=False)
    data_dir.chmod(0o755)
    server.start()
    server.stop()
    data_dir.chmod(0o700)
    with pytest.raises(UserError, match=r"may no longer enter.*chmod o\+x"):
        server.start()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the watchdog does this")
def test_the_servers_end_when_their_starter_is_killed(data_dir, settings):
    starter = subprocess.Popen(
        [sys.executable, "-c", START_BOTH, str(data_dir)], env=environment(settings), stdout=subprocess.PIPE, text=True
    )
    pids = [int(word) for word in starter.stdout.readline().split()]
    assert len(pids) == 2
    starter.kill()
    starter.wait()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_watchdog_ends_its_children_when_its_starter_is_killed(settings):
    script = (
        "import signal, subprocess, sys, time\n"
        "from rpt_web.supervisor import watchdog\n"
        "children = [subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL) for _ in range(2)]\n"
        "for child in children:\n"
        "    watchdog.tell(f'+{child.pid} {int(signal.SIGTERM)}')\n"
        "watchdog.tell(f'-{children[1].pid}')\n"
        "print(*(child.pid for child in children), flush=True)\n"
        "time.sleep(60)\n"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", script], env=environment(settings), stdout=subprocess.PIPE, text=True
    )
    listed, forgotten = (int(word) for word in starter.stdout.readline().split())
    starter.kill()
    starter.wait()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while is_alive(listed):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert is_alive(forgotten)
    os.kill(forgotten, signal.SIGKILL)


@only_root
def test_both_servers_run_for_an_ordinary_user(data_dir, settings):
    python = Path("/usr/bin/python3")
    packages = Path(psycopg.__file__).parents[1]
    usable = paths.reachable_by_all(packages) and paths.reachable_by_all(settings.ROOT) and python.exists()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not usable or version not in os.path.realpath(python):
        pytest.skip("an ordinary user cannot reach a Python of this version with our packages here")
    user = pwd.getpwnam("nobody")
    os.chown(data_dir, user.pw_uid, user.pw_gid)
    search = environment(settings)["PYTHONPATH"]
    done = subprocess.run(
        [python, "-c", START_BOTH, data_dir, "stop"],
        env=environment(settings) | {"PYTHONPATH": f"{search}:{packages}"},
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (data_dir / "postgres" / "PG_VERSION").stat().st_uid == user.pw_uid
