"""The guard ends all that its command has started; ends of verl are explained in words."""

import os
import subprocess
import sys
import time

import pytest

from rpt_core.verl_backend.failures import explain, tail
from rpt_core.verl_backend.process_tree import MARK, end_marked, marked

DAEMON = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
TREE = f"""
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", {DAEMON!r}], start_new_session=True)
subprocess.Popen([sys.executable, "-c", {DAEMON!r}], start_new_session=True, env={{}})
print("ready", flush=True)
"""
WAIT = "time.sleep(600)"


def guarded(mark, program):
    command = [sys.executable, "-m", "rpt_core.verl_backend.guard", mark, f"{mark}/ray", sys.executable, "-c", program]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert condition()


def test_a_guard_whose_starter_is_gone_ends_daemons_that_refuse_to_go(tmp_path):
    mark = str(tmp_path)
    (tmp_path / "ray").mkdir()
    guard = guarded(mark, TREE + WAIT)
    assert guard.stdout.readline() == "ready\n"
    # One of the daemons has an empty environment: it is found as a child of the command.
    wait_until(lambda: len(marked(mark)) == 3)
    guard.stdin.close()
    guard.wait(30)
    assert marked(mark) == set()
    assert not (tmp_path / "ray").exists()


def test_a_guard_ends_what_a_finished_command_leaves_and_has_its_exit_code(tmp_path):
    guard = guarded(str(tmp_path), TREE.replace(", env={}", "") + "sys.exit(7)")
    assert guard.wait(30) == 7
    assert marked(str(tmp_path)) == set()


def test_only_the_marked_are_ended(tmp_path):
    others = {"mine": {**os.environ, MARK: "mine"}, "theirs": {**os.environ, MARK: "theirs"}}
    processes = {
        name: subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env=env)
        for name, env in others.items()
    }
    wait_until(lambda: marked("mine") == {processes["mine"].pid})
    end_marked("mine", grace_seconds=0.5)
    assert processes["mine"].wait(10) < 0
    assert processes["theirs"].poll() is None
    processes["theirs"].kill()
    processes["theirs"].wait()


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\nActorDiedError", "A GPU ran out"),
        ("OSError: [Errno 28] No space left on device: '/run/verl'", "The disk is full"),
        ("ray.exceptions.OutOfMemoryError: Task was killed due to the node running low on memory", "The machine ran"),
        ("ValueError: No available memory for the cache blocks. Try increasing", "vLLM has too little"),
        ("ray.exceptions.NodeDiedError: Task failed because the node it was running on is dead", "A node of the Ray"),
        ("[rank0]: Watchdog caught collective operation timeout: WorkNCCL", "The GPUs lost contact"),
        ("ValueError: Total available GPUs 0.0 is less than total desired GPUs 8", "There are fewer GPUs"),
        ("hydra.errors.ConfigCompositionException: Could not override 'a.b'", "verl does not accept"),
        ("ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing", "One of verl's processes"),
        ("for 'verl.trainer.main_ppo' (ModuleNotFoundError: No module named 'verl')", "The Ray cluster"),
        ("KeyError: 'x'", None),
    ],
)
def test_an_end_is_explained_by_its_cause(log, words):
    found = explain(log)
    assert (found is None) == (words is None)
    assert found is None or found.startswith(words)


def test_only_the_tail_of_a_log_is_read(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("No space left on device\n" + "x" * 1000)
    assert tail(log, 100) == "x" * 100
    assert tail(tmp_path / "none") == ""
