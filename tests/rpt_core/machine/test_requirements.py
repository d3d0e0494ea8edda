"""What a preset needs, and what is said when it is not here. A stand-in for nvidia-smi plays the machines with GPUs."""

import os

import pytest

from rpt_core.machine import requirements
from rpt_core.plans.preset import PlannedRun, Preset, Requirements, missing


def missing_of(named=None, **requires):
    """What a preset lacks whose run reads all files that it requires, or those named."""
    paths = list(requires.get("paths", ())) if named is None else named
    run = PlannedRun(name="a", stage="ntp", title="t", config={"corpus": {"paths": paths}, "scratch": {}})
    return missing(Preset(name="p", description="d", requires=Requirements(**requires), runs=[run]))


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """machine(line, ...) makes nvidia-smi print these lines; without lines there is no such program."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=None)
    monkeypatch.setattr(requirements, "NVIDIA_PROC", tmp_path / "gpus")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    requirements.gpu_memories.cache_clear()

    def machine(*lines):
        program = tmp_path / "nvidia-smi"
        program.write_text("\n".join(["#!/bin/sh", *(f"echo '{line}'" for line in lines)]) + "\n")
        os.chmod(program, 0o755)

    yield machine
    requirements.gpu_memories.cache_clear()


H100 = "0, GPU-aaaa, 81559"
T4 = "1, GPU-bbbb, 15360"


def test_nothing_is_missing_where_nothing_is_needed(machine):
    assert missing_of() == []


def test_a_machine_without_gpu_says_so(machine):
    assert missing_of(gpu=True) == [
        "It needs an NVIDIA GPU, and none can be seen here. Run it on a machine that has one."
    ]
    assert missing_of(gpu_memory_gb=8) == missing_of(gpu=True)


def test_the_largest_gpu_counts(machine):
    machine(T4, H100)
    assert missing_of(gpu=True, gpu_memory_gb=80) == []
    assert missing_of(gpu_memory_gb=100) == ["It needs a GPU with 100 GB of memory; the largest here has 86 GB."]


@pytest.mark.parametrize(
    ("visible", "memories"),
    [("1", (16.10612736,)), ("GPU-aaaa", (85.520809984,)), ("", ()), ("-1", ()), ("0,1", (85.520809984, 16.10612736))],
)
def test_only_the_gpus_that_programs_may_use_count(machine, monkeypatch, visible, memories):
    machine(H100, T4)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert requirements.gpu_memories() == memories


def test_a_driver_without_nvidia_smi_is_a_gpu_of_unknown_memory(machine, tmp_path):
    (tmp_path / "gpus" / "0000:01:00.0").mkdir(parents=True)
    assert requirements.gpu_memories() == (None,)
    assert missing_of(gpu_memory_gb=80) == []


def test_memory_that_nvidia_smi_does_not_tell_is_unknown(machine):
    machine("0, GPU-aaaa, [N/A]")
    assert requirements.gpu_memories() == (None,)


def test_files_are_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.jsonl").touch()
    assert missing_of(paths=("there.jsonl", "not-there.jsonl", "/no/such/file")) == [
        f"It needs {tmp_path}/not-there.jsonl, which does not exist. Put it there.",
        "It needs /no/such/file, which does not exist. Put it there.",
    ]


def test_a_file_that_no_run_names_is_not_missed():
    paths = ("/no/such/file", "/no/such/other")
    assert missing_of(["/no/such/other"], paths=paths) == [
        "It needs /no/such/other, which does not exist. Put it there."
    ]
    assert missing_of([], paths=paths) == []


def test_an_engine_is_looked_for(monkeypatch, tmp_path):
    assert missing_of(engine="vllm") == [
        "It needs vllm, which is not installed. On a GPU node run `deploy/gpu-node.sh` (docs/nodes.md); on a machine "
        "without a GPU run `make setup-verl`."
    ]
    (tmp_path / "vllm.py").write_text("raise RuntimeError('only looked for, never imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert missing_of(engine="vllm") == []


def test_everything_that_is_missing_is_named(machine):
    assert len(missing_of(gpu=True, paths=("/no/such/file",), engine="vllm")) == 3
