"""verl as a job of a Ray cluster: a real one on loopback, with short programs in verl's place (`make test-verl`)."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from rpt_core.errors import UserError
from rpt_core.run.folder import RunDir
from rpt_core.verl_backend import launch
from rpt_core.verl_backend.folder import VerlFolder
from rpt_core.verl_backend.process_tree import KEEP_ENVIRONMENT, MARK, end_marked
from rpt_core.verl_backend.progress import NO_ANSWER

pytestmark = [pytest.mark.verl, pytest.mark.slow]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


# What an administrator gives a cluster and those who may use it. Set here, since a process reads it once: when a test,
# maybe one of another file, loads Ray. A Ray that verl starts for itself has a token of its own.
os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))


@contextmanager
def ray_cluster():
    """The address of a Ray's job server, and the folder that marks its processes."""
    folder, port = tempfile.mkdtemp(prefix="rpt-ray-"), free_port()
    environment = {
        **os.environ,
        **KEEP_ENVIRONMENT,
        MARK: folder,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    }
    command = [Path(sys.executable).with_name("ray"), "start", "--head", "--num-cpus=2", f"--temp-dir={folder}"]
    command += [f"--port={free_port()}", "--dashboard-host=127.0.0.1", f"--dashboard-port={port}"]
    command += ["--object-store-memory=100000000", f"--dashboard-agent-listen-port={free_port()}"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    try:
        yield f"http://127.0.0.1:{port}", folder
    finally:
        end_marked(folder, grace_seconds=3)
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def cluster():
    """The address of a Ray's job server."""
    with ray_cluster() as (address, _):
        yield address


@pytest.fixture
def folder(tmp_path):
    made = VerlFolder(RunDir(tmp_path), 1)
    made.create()
    return made


def start(cluster, folder, monkeypatch, main, *words):
    monkeypatch.setattr(launch, "MAIN", main)
    verl = launch.ClusterVerl(cluster, folder, {"RPT_WORD": "passed on"})
    verl.start(words)
    return verl


def end_of(verl):
    deadline = time.monotonic() + 60
    while (code := verl.poll()) is None and time.monotonic() < deadline:
        time.sleep(0.5)
    return code


def test_a_job_that_ends_well_has_its_log_fetched(cluster, folder, monkeypatch):
    verl = start(cluster, folder, monkeypatch, "timeit", "-n1", "-r1", "import os; print(os.environ['RPT_WORD'])")
    assert folder.job.is_file()
    assert end_of(verl) == 0
    assert "passed on" in folder.log.read_text()
    assert not folder.job.exists()


def test_a_job_that_fails_is_told_with_its_log(cluster, folder, monkeypatch):
    verl = start(cluster, folder, monkeypatch, "timeit", "raise OSError(28, 'No space left on device')")
    assert end_of(verl) == 1
    assert "No space left on device" in folder.log.read_text()


def test_a_job_can_be_stopped(cluster, folder, monkeypatch):
    verl = start(cluster, folder, monkeypatch, "timeit", "-n1", "-r1", "import time; time.sleep(600)")
    assert verl.poll() is None
    verl.stop()
    assert verl.client.get_job_status(verl._job).value == "STOPPED"


def test_the_next_attempt_ends_a_job_that_a_killed_stage_has_left(cluster, folder, monkeypatch):
    left = start(cluster, folder, monkeypatch, "timeit", "-n1", "-r1", "import time; time.sleep(600)")
    launch.ClusterVerl(cluster, folder, {})
    assert left.client.get_job_status(left._job).value == "STOPPED"
    assert not folder.job.exists()


def test_a_job_whose_stage_is_killed_ends_by_itself(cluster, folder, monkeypatch):
    monkeypatch.setattr(launch, "ABANDONED_SECONDS", 3.0)
    verl = start(cluster, folder, monkeypatch, "timeit", "-n1", "-r1", "import time; time.sleep(600)")
    verl._ended.set()  # the thread that says that the stage lives dies with the stage
    assert end_of(verl) == 1
    assert "no stage watches this job" in folder.log.read_text()


def test_a_job_whose_stage_lives_goes_on(cluster, folder, monkeypatch):
    monkeypatch.setattr(launch, "ABANDONED_SECONDS", 3.0)
    monkeypatch.setattr(launch, "ALIVE_SECONDS", 0.5)
    verl = start(cluster, folder, monkeypatch, "timeit", "-n1", "-r1", "import time; time.sleep(8)")
    assert end_of(verl) == 0
    verl.stop()


def test_a_cluster_that_is_gone_is_told_in_words(folder, monkeypatch):
    monkeypatch.setattr(launch, "UNREACHABLE_SECONDS", 3.0)
    with ray_cluster() as (address, processes):
        verl = start(address, folder, monkeypatch, "timeit", "-n1", "-r1", "import time; time.sleep(600)")
        assert verl.poll() is None
        end_marked(processes, grace_seconds=0)
        assert verl.poll() is None
        assert NO_ANSWER in folder.log.read_text()
        with pytest.raises(UserError, match="has not answered for 3 s"):
            end_of(verl)
        verl.stop()  # nothing can be asked for; the next attempt will
        assert folder.job.is_file()


def test_a_job_whose_number_is_lost_is_not_kept_alive_by_the_next_attempt(cluster, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "ABANDONED_SECONDS", 3.0)
    monkeypatch.setattr(launch, "ALIVE_SECONDS", 0.5)
    lost = start(cluster, folder, monkeypatch, "timeit", "-n1", "-r1", "import time; time.sleep(600)")
    lost._ended.set()
    folder.job.unlink()
    second = VerlFolder(RunDir(tmp_path), 2)
    second.create()
    verl = start(cluster, second, monkeypatch, "timeit", "-n1", "-r1", "import time; time.sleep(600)")
    assert end_of(lost) == 1
    assert verl.poll() is None
    verl.stop()


def test_a_cluster_is_away_from_its_first_silence_on(cluster, folder, monkeypatch):
    monkeypatch.setattr(launch, "UNREACHABLE_SECONDS", 1.0)
    verl = start(cluster, folder, monkeypatch, "timeit", "-n1", "-r1", "import time; time.sleep(600)")
    assert verl.poll() is None
    time.sleep(1.5)  # a large checkpoint is exported

    def refuse(_):
        raise OSError("connection reset")

    with monkeypatch.context() as once:
        once.setattr(verl.client, "get_job_status", refuse)
        assert verl.poll() is None
    assert NO_ANSWER in folder.log.read_text()
    assert verl.poll() is None
    verl.stop()


def test_a_job_that_the_cluster_does_not_know_is_told_at_once(cluster, folder, monkeypatch):
    verl = start(cluster, folder, monkeypatch, "timeit", "pass")
    verl._job = "raysubmit_of_another_life"
    with pytest.raises(UserError, match="was restarted"):
        verl.poll()


def test_an_address_where_nobody_answers_is_the_users_to_mend(folder):
    with pytest.raises(UserError, match="No Ray job server answers"):
        launch.ClusterVerl(f"http://127.0.0.1:{free_port()}", folder, {})
