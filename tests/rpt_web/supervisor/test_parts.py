"""The supervisor's parts that need no servers: options, claims, backoff, folders, logs."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from rpt_core.errors import UserError
from rpt_web.supervisor import paths
from rpt_web.supervisor.claims import DataFolderLock, check_port
from rpt_web.supervisor.demo.course import checked_preset
from rpt_web.supervisor.early import apply_data_dir
from rpt_web.supervisor.keeper import Keeper
from rpt_web.supervisor.management.commands.up import host_advice, read_options
from rpt_web.supervisor.processes import Child, open_log
from rpt_web.supervisor.programs import copy_open
from rpt_web.supervisor.stopping import Interrupted, StopFlag

HOLD_LOCK = """
import sys, time
from pathlib import Path
from rpt_web.supervisor.claims import DataFolderLock
lock = DataFolderLock(Path(sys.argv[1]))
lock.take(address="http://127.0.0.1:8123")
print("held", flush=True)
sys.stdin.read()
"""


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


# options


@pytest.mark.parametrize("words", [["--data-dir", "{}/d"], ["--data-dir={}/d"], ["--port", "1", "--data-dir", "{}/d"]])
def test_the_data_folder_of_the_command_line_reaches_the_settings(words, tmp_path, monkeypatch):
    monkeypatch.setenv("RPT_DATA_DIR", "/elsewhere")
    apply_data_dir(["manage.py", "up", *(word.format(tmp_path) for word in words)])
    assert os.environ["RPT_DATA_DIR"] == f"{tmp_path}/d"


def test_a_relative_data_folder_is_taken_from_where_the_command_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("RPT_DATA_DIR", "/elsewhere")
    monkeypatch.chdir(tmp_path)
    apply_data_dir(["manage.py", "demo", "--data-dir", "some/place"])
    assert os.environ["RPT_DATA_DIR"] == str(tmp_path / "some/place")


@pytest.mark.parametrize("arguments", [["manage.py"], ["manage.py", "up"], ["manage.py", "check", "--data-dir", "/x"]])
def test_other_commands_leave_the_data_folder_alone(arguments, monkeypatch):
    monkeypatch.setenv("RPT_DATA_DIR", "/elsewhere")
    apply_data_dir(arguments)
    assert os.environ["RPT_DATA_DIR"] == "/elsewhere"


@pytest.mark.parametrize(("name", "value"), [("port", 0), ("port", 65536), ("workers", 0), ("workers", 65)])
def test_numbers_out_of_bounds_are_refused_with_the_bounds(name, value):
    with pytest.raises(UserError, match=f"--{name} {value} is not allowed. Give a number from 1 to"):
        read_options({"host": "127.0.0.1", "port": 8000, "workers": 1} | {name: value})


def test_listening_for_other_machines_is_allowed_but_says_what_it_takes():
    assert host_advice("127.0.0.1") == []
    advice = "\n".join(host_advice("0.0.0.0"))
    assert "RPT_ALLOWED_HOSTS" in advice
    assert "RPT_HTTPS=yes" in advice


def test_a_demo_whose_report_cannot_be_written_says_so_before_it_starts_anything(tmp_path):
    with pytest.raises(CommandError, match="Name a file in a folder that exists"):
        call_command("demo", report=tmp_path / "missing" / "report.json")


def test_a_preset_that_does_not_exist_is_refused():
    with pytest.raises(UserError, match="There is no preset 'nonsense'"):
        checked_preset("nonsense")


# data folder and port


def test_a_taken_port_is_named_together_with_the_mend():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"Port {port} on 127.0.0.1 cannot be used .*--port"):
            check_port("127.0.0.1", port)
    check_port("127.0.0.1", port)


def test_a_host_that_is_not_ours_is_refused():
    with pytest.raises(UserError, match="cannot be used"):
        check_port("192.0.2.1", 8000)
    with pytest.raises(UserError, match="not an address of this machine"):
        check_port("no such host", 8000)


@pytest.fixture
def holder(tmp_path, settings):
    environment = os.environ | {"PYTHONPATH": f"{settings.ROOT}:{settings.ROOT / 'platform'}"}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_taken_data_folder_names_who_has_it(holder, tmp_path):
    with pytest.raises(UserError, match=rf"used by process {holder.pid}, which serves http://127.0.0.1:8123"):
        DataFolderLock(tmp_path).take()


def test_the_data_folder_is_free_again_when_its_holder_was_killed(holder, tmp_path):
    holder.kill()
    holder.wait()
    lock = DataFolderLock(tmp_path)
    lock.take()
    lock.release()


def test_what_a_killed_holder_left_behind_still_holds_the_data_folder(tmp_path, monkeypatch):
    first = DataFolderLock(tmp_path)
    first.take()
    child = subprocess.Popen(["sleep", "60"], pass_fds=[first.fileno()])
    (tmp_path / "lock").write_text("")  # as if its holder were gone
    first._file.close()
    monkeypatch.setattr("rpt_web.supervisor.claims.LEFTOVER_SECONDS", 0)
    second = DataFolderLock(tmp_path)
    with pytest.raises(UserError, match="Processes of an earlier start still use the data folder"):
        second.take()
    child.kill()
    child.wait()
    second.take()
    second.release()


def test_a_private_folder_above_makes_a_folder_unreachable(tmp_path):
    private = tmp_path / "private"
    (private / "inside").mkdir(parents=True)
    private.chmod(0o700)
    assert not paths.reachable_by_all(private / "inside")
    assert not paths.reachable_by_all(private / "inside" / "not there yet")
    assert paths.reachable_by_all(Path("/usr/bin"))


def test_sockets_of_a_deep_data_folder_are_put_into_a_short_one():
    assert paths.socket_dir(Path("/srv/rpt")) == Path("/srv/rpt/run")
    deep = paths.socket_dir(Path("/srv") / ("x" * 90))
    assert len(str(deep / ".s.PGSQL.5432.lock")) <= paths.LONGEST_SOCKET_PATH
    assert deep != paths.socket_dir(Path("/srv") / ("y" * 90))


def test_copied_programs_can_be_read_and_run_by_all(tmp_path):
    source = tmp_path / "source"
    (source / "bin").mkdir(parents=True)
    (source / "bin" / "program").touch(mode=0o700)
    (source / "text").touch(mode=0o600)
    source.chmod(0o700)
    copy_open(source, tmp_path / "deep" / "target")
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "deep" / "target", *(tmp_path / "deep" / "target").rglob("*"))
    }
    assert modes["program"] & 0o055 == 0o055
    assert modes["text"] & 0o055 == 0o044
    assert modes["target"] & 0o055 == modes["bin"] & 0o055 == 0o055


# children


def test_a_large_log_is_set_aside(tmp_path, monkeypatch):
    monkeypatch.setattr("rpt_web.supervisor.processes.LARGEST_LOG_BYTES", 3)
    for text in (b"one", b"two", b"three"):
        with open_log(tmp_path / "a.log") as log:
            log.write(text)
    assert (tmp_path / "a.log.old").read_bytes() == b"onetwo"
    assert (tmp_path / "a.log").read_bytes() == b"three"


def test_a_log_is_kept_small_while_its_child_writes(tmp_path, monkeypatch):
    monkeypatch.setattr("rpt_web.supervisor.processes.LARGEST_LOG_BYTES", 3000)
    child = Child(
        "talker", ["sh", "-c", "while :; do echo 0123456789; sleep 0.0005; done"], tmp_path / "logs" / "a.log"
    )
    child.start()
    keeper, old, largest = Keeper(child, print), tmp_path / "logs" / "a.log.old", 0
    turns = 0
    while turns < 3:
        before = old.stat().st_mtime_ns if old.exists() else None
        keeper.look()
        turns += old.exists() and old.stat().st_mtime_ns != before
        largest = max(largest, child.log.stat().st_size)
        time.sleep(0.01)
    child.stop()
    assert largest < 20_000
    for log in (child.log, old):
        assert set(log.read_text().splitlines()) <= {"0123456789"}, "no hole where the log was cut"


def test_logs_and_run_folders_are_closed_to_others(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    previous = os.umask(0)
    try:
        open_log(folder / "a.log").close()
        paths.make_private(tmp_path / "runs")
    finally:
        os.umask(previous)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "a.log", tmp_path / "runs")]
    assert modes == [0o750, 0o640, 0o750]


def test_a_child_that_ignores_the_stop_signal_is_killed(tmp_path):
    child = Child("deaf", ["sh", "-c", "trap '' TERM; echo ready; sleep 60 & wait; wait"], tmp_path / "log")
    child.start()
    while "ready" not in child.tail():
        assert child.running
    child.stop(grace_seconds=0.2)
    assert child.process.returncode == -9


def test_a_child_that_ends_is_started_again_later_and_later(tmp_path):
    clock, said = Clock(), []
    child = Child("short", ["false"], tmp_path / "log")
    child.start()
    keeper = Keeper(child, said.append, clock)
    for delay in (1, 2, 4, 8, 16, 30, 30):
        first = child.process
        first.wait()
        keeper.look()
        assert f"starts again in {delay} s" in said[-1]
        clock.now += delay - 0.5
        keeper.look()
        assert child.process is first
        clock.now += 0.5
        keeper.look()
        assert child.process is not first
    assert len(said) == 7
    clock.now += 60
    child.process.wait()
    keeper.look()
    assert "starts again in 1 s" in said[-1]


def test_a_pause_ends_with_the_request_to_stop():
    flag = StopFlag()
    flag.pause(0)
    flag.set = True
    with pytest.raises(Interrupted):
        flag.pause(60)


# progress
