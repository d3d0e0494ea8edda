"""The embedded Redis with data that are really damaged: it starts empty, and what it had is moved aside and named."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import pytest
import redis

from rpt_core.errors import UserError
from rpt_web.supervisor.embedded import EmbeddedRedis
from rpt_web.supervisor.keeper import Keeper

pytestmark = pytest.mark.slow


@pytest.fixture
def said():
    return []


@pytest.fixture
def server(said):
    """A stopped server with a base file, a file of what came after it, and a manifest that names both."""
    data_dir = Path(tempfile.mkdtemp(prefix="rpt-redis-"))
    server = EmbeddedRedis(data_dir, say=said.append)
    server.start()
    with redis.Redis.from_url(server.url) as client:
        client.lpush("default", *(f"message {number}" for number in range(300)))
        client.bgrewriteaof()
        while client.info("persistence")["aof_rewrite_in_progress"] or not named(server, "*.2.base.rdb"):
            time.sleep(0.02)
        client.lpush("default", *(f"later message {number}" for number in range(300)))
    server.stop()
    yield server
    server.stop()
    shutil.rmtree(data_dir)


def named(server, pattern):
    return list((server.servers / "redis").glob(f"*/appendonlydir/{pattern}"))


def cut(data):
    return data[: len(data) // 2]


def spoilt(data):
    middle = len(data) // 2
    return data[:middle] + bytes(range(128, 168)) + data[middle + 40 :]


def garbage(data):
    return bytes(range(256)) * 4


def entries(server):
    with redis.Redis.from_url(server.url) as client:
        return client.llen("default")


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        ("*.incr.aof", spoilt),
        ("*.incr.aof", garbage),
        ("*.base.rdb", cut),
        ("*.base.rdb", spoilt),
        ("*.base.rdb", garbage),
        ("*.manifest", spoilt),
        ("*.manifest", garbage),
    ],
)
def test_damaged_data_are_moved_aside_and_named_and_redis_starts_empty(server, said, pattern, damage):
    (file,) = named(server, pattern)
    damaged = damage(file.read_bytes())
    file.write_bytes(damaged)
    server.start()
    assert entries(server) == 0
    (aside,) = (server.servers / "redis").glob("*.damaged-*")
    assert (aside / "appendonlydir" / file.name).read_bytes() == damaged, "nothing is thrown away"
    (sentence,) = said
    assert str(aside) in sentence
    assert str(server.log) in sentence
    if pattern != "*.manifest":
        assert f"could not read {file} and starts empty" in sentence
    with redis.Redis.from_url(server.url) as client:
        client.lpush("default", "new")
    server.stop()
    server.start()
    assert entries(server) == 1
    assert len(said) == 1


def test_a_file_that_the_manifest_names_and_that_is_gone_counts_as_damage(server, said):
    named(server, "*.incr.aof")[0].unlink()
    server.start()
    assert entries(server) == 0
    assert len(said) == 1


def test_a_file_cut_by_a_crash_keeps_what_is_whole(server, said):
    (file,) = named(server, "*.incr.aof")
    data = file.read_bytes()
    file.write_bytes(data[: data.rindex(b"*")] + b"*3\r\n$5\r\nLPU")
    server.start()
    assert entries(server) >= 300
    assert said == []


def test_data_that_are_not_to_blame_are_put_back(server, said, monkeypatch):
    command = server._command
    monkeypatch.setattr(server, "_command", lambda: [*command(), "--no-such-option", "1"])
    with pytest.raises(UserError, match="redis ended with code 1"):
        server.start()
    assert said == []
    monkeypatch.undo()
    server.start()
    assert entries(server) == 600


def test_a_running_redis_that_ends_and_has_lost_its_data_comes_back_empty(server, said):
    server.start()
    keeper = Keeper(server.child, said.append, start=server.start)
    (file,) = named(server, "*.base.rdb")
    file.write_bytes(garbage(b""))
    os.kill(server.child.process.pid, signal.SIGKILL)
    server.child.process.wait()
    while not server.ready():
        keeper.look()
        time.sleep(0.05)
    assert entries(server) == 0
    assert [sentence.split()[1] for sentence in said] == ["ended", "could"]
