"""verl on a Ray cluster of two machines (run by `make test-verl`): it trains on both, one is lost, a retry goes on.

The machines are namespaces of this one (`machines.py`): each has an address, a host name, processes and memory of its
own, and a Ray node with one logical GPU. The stage runs beside them and reaches them by Ray's job server, with a token.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from rpt_core.plans.preset import load_preset
from rpt_core.run.events import EventType
from rpt_core.run.folder import RunDir
from tests.end_to_end.machines import Machine, machines, missing
from tests.rpt_core.stages import events

pytestmark = [
    pytest.mark.verl,
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=f"machines cannot be made here: {missing()}"),
]
PATIENCE_SECONDS = 900
PORT, JOB_PORT = 6380, 8265
PREPARATION = ("base", "filter", "cold-filter", "cold")
FEW_STEPS = 2


@pytest.fixture
def environment():
    """Of all processes: the token, and Python's folder, as in an activated environment."""
    folder = Path(sys.executable).parent
    return {
        **os.environ,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "PATH": f"{folder}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }


def start_ray(machine: Machine, head: Machine, folder: Path, environment: dict[str, str]) -> None:
    """A Ray node on a machine, as docs/nodes.md says."""
    words = f"ray start --block --node-ip-address={machine.address} --num-cpus=16 --num-gpus=1"
    words += " --object-store-memory=300000000"
    if machine is head:
        words += f" --head --port={PORT} --temp-dir={machine.private}"
        words += f" --dashboard-host={head.address} --dashboard-port={JOB_PORT}"
    else:
        words += f" --address={head.address}:{PORT}"
    log = folder / f"{machine.name}.log"
    seen = log.stat().st_size if log.exists() else 0
    machine.start(words, log, environment)
    wait_for(lambda: "--block" in log.read_bytes()[seen:].decode(), f"Ray runs on {machine.name}")


def wait_for(condition, what):
    """Wait, and say what was waited for when it never comes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)


def prepare(folder):
    """A model that has been taught to answer, and the positions of a filter run."""
    preset = yaml.safe_load(load_preset("smoke").model_dump_json())
    preset["runs"] = [run for run in preset["runs"] if run["name"] in PREPARATION]
    (folder / "preset.yaml").write_text(json.dumps(preset))
    command = [sys.executable, "-m", "rpt_core", "preset", folder / "preset.yaml", folder / "runs"]
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_SECONDS)


def write_config(folder, head):
    """The preset's RPT run with verl on both machines."""
    config = dict(load_preset("smoke").run("rpt").config)
    positions = str(folder / "runs/filter/positions")
    [model] = (folder / "runs/cold/checkpoints").glob("step-*")
    config |= {
        "engine": "verl",
        "seed": 0,
        "steps": 1000,
        "group_size": 4,
        "checkpoint_every_steps": 1,
        "evaluate_at_steps": [],
        "positions": positions,
        "evaluation": {**config["evaluation"], "positions": positions, "seed": 0},
        "model": {"path": str(model), "device": "cpu"},
        "verl": {"micro_batch_per_gpu": 8, "nodes": 2, "ray_address": f"http://{head.address}:{JOB_PORT}"},
    }
    run = folder / "verl"
    run.mkdir(exist_ok=True)
    (run / "config.json").write_text(json.dumps(config))
    return run


def start_stage(run, environment):
    command = [sys.executable, "-m", "rpt_core", "rpt", run]
    return subprocess.Popen(command, env=environment, stderr=(run / "stderr.txt").open("w"))


def steps_of(folder):
    return [found["step"] for found in events(folder, EventType.METRICS)]


def verls_processes(machine):
    """What runs on a machine and is not Ray's own."""
    named = ("main_ppo", "job_guard", "TaskRunner", "WorkerDict", "vLLM", "VLLM")
    for pid in machine.processes():
        with suppress(OSError):
            command = Path("/proc", str(pid), "cmdline").read_bytes().decode(errors="replace")
            if any(name in command for name in named):
                yield command


def test_verl_trains_on_two_machines_goes_on_when_one_was_lost_and_stops(tmp_path, environment):
    began = time.monotonic()
    prepare(tmp_path)
    with machines(2) as (head, other):
        for machine in (head, other):
            start_ray(machine, head, tmp_path, environment)
        run = write_config(tmp_path, head)
        stage = start_stage(run, environment)
        wait_for(lambda: RunDir(run).checkpoint(FEW_STEPS).is_dir() or stage.poll() is not None, "a checkpoint")
        assert stage.poll() is None, (run / "stderr.txt").read_text()
        print(f"trained on both after {time.monotonic() - began:.0f} s")
        other.lose()
        lost_at = time.monotonic()
        assert stage.wait(PATIENCE_SECONDS) == 2
        print(f"told of the lost machine after {time.monotonic() - lost_at:.0f} s")
        check_both_worked(run, other)
        saved = check_failure(run)

        other.repair()
        start_ray(other, head, tmp_path, environment)
        stage = start_stage(run, environment)
        wait_for(lambda: RunDir(run).checkpoint(saved + 1).is_dir() or stage.poll() is not None, "a later checkpoint")
        assert stage.poll() is None, (run / "stderr.txt").read_text()
        stage.send_signal(signal.SIGTERM)
        assert stage.wait(PATIENCE_SECONDS) == 3
        wait_for(lambda: not {*verls_processes(head), *verls_processes(other)}, "nothing of the job is left")
    assert events(run, EventType.STARTED)[-1]["start_step"] == saved
    assert events(run, EventType.STOPPED)[-1]["step"] > saved
    assert saved + 1 in steps_of(run)
    print(f"all of it took {time.monotonic() - began:.0f} s")


def check_both_worked(run, other):
    """A rank of the trainer and an engine of vLLM on each machine; Ray's log leaves out the head's own address."""
    log = (run / "verl/attempt-001/log.txt").read_text()
    for actor in ("WorkerDict", "vLLMHttpServer"):
        for place in ("", f", ip={re.escape(other.address)}"):
            assert re.search(rf"\({actor} pid=\d+{place}\)", log), (actor, place)


def check_failure(run):
    """The cause in words, with the newest checkpoint, which is complete."""
    [failed] = events(run, EventType.FAILED)
    assert "A node of the Ray cluster was lost" in failed["message"], failed
    saved = max(int(path.name.removeprefix("step-")) for path in (run / "checkpoints").glob("step-*"))
    assert f"The newest checkpoint is step {saved}" in failed["message"]
    assert len(list((run / f"verl/checkpoints/global_step_{saved}").glob("actor/model_world_size_2_rank_*.pt"))) == 2
    assert steps_of(run)[:saved] == list(range(1, saved + 1))
    return saved
