"""The doctor: it sees what is there, and names the command for what is not."""

import importlib.metadata
import json
import os
import socket
import subprocess
import sys
import threading

import pytest

from rpt_core.machine import doctor, environments
from rpt_core.machine.doctor import PROFILES, Profile, examine, main


def installed(monkeypatch, versions):
    """Let Python's own list of packages have these versions and no others."""

    def version(package):
        if package not in versions:
            raise importlib.metadata.PackageNotFoundError(package)
        return versions[package]

    monkeypatch.setattr(importlib.metadata, "version", version)


def found(name):
    return next(finding for finding in examine() if finding.name == name)


def test_it_sees_this_machine(capsys):
    assert main(["--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    names = {finding["name"] for finding in findings}
    assert {"system", "processor", "Python", "torch", "vLLM", "verl", "data", "temporary"} <= names
    assert not [finding for finding in findings if finding["level"] == "problem"]


def test_versions_are_those_of_the_installation():
    import torch

    assert found("torch").words == torch.__version__


def test_a_missing_package_comes_with_its_remedy(monkeypatch):
    installed(monkeypatch, {"torch": "2.13.0", "transformers": "5.10.4", "tokenizers": "0.22", "safetensors": "0.8"})
    assert found("pyarrow").level == "problem"
    assert found("pyarrow").remedy == "make setup"


@pytest.fixture
def repository(monkeypatch, tmp_path):
    """repository(names) lets the doctor run there with another Python, beside environments of these names."""

    def repository(*names):
        for name in names:
            (tmp_path / name / "bin").mkdir(parents=True)
            (tmp_path / name / "bin" / "python").touch()
        monkeypatch.setattr(environments, "ROOT", tmp_path)
        monkeypatch.chdir(tmp_path)

    return repository


def test_with_another_python_the_one_of_the_setup_is_named(monkeypatch, repository):
    repository(".venv", ".venv-verl")
    installed(monkeypatch, {"torch": "2.13.0"})
    assert (found("Python").level, found("Python").remedy) == ("problem", ".venv/bin/python -m rpt_core doctor")
    assert found("pyarrow").remedy == "", "it is there for the other Python"
    assert found("vLLM").remedy == ".venv-verl/bin/python -m rpt_core doctor"


def test_a_python_that_has_all_is_good_whatever_else_is_there(repository):
    repository(".venv-gpu")
    assert found("Python").level == "good"
    assert found("verl").remedy == ".venv-gpu/bin/python -m rpt_core doctor"


def test_without_an_environment_the_setup_is_named(monkeypatch, repository):
    repository()
    installed(monkeypatch, {})
    assert (found("Python").level, found("pyarrow").remedy) == ("good", "make setup")
    assert found("vLLM").remedy.endswith(doctor._setup())


@pytest.mark.skipif(not (environments.ROOT / ".venv").is_dir(), reason="needs the .venv of `make setup`")
def test_a_python_without_our_packages_names_the_one_that_has_them():
    # -S leaves site-packages out, as in a Python that never had them.
    command = [sys.executable, "-S", "-m", "rpt_core", "doctor", "--json"]
    done = subprocess.run(command, cwd=environments.ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "has no pydantic and no yaml. Run" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_made_is_a_problem(monkeypatch, tmp_path):
    monkeypatch.setenv("RPT_DATA_DIR", str(tmp_path / "new" / "data"))
    assert found("data").level == "good", "it can be made in a folder that can be written"
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert found("data").level == "problem"
    assert found("data").remedy.startswith("chown ")


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_the_versions_of_each_profile_fit(monkeypatch, profile):
    installed(monkeypatch, {package: f"{version}.3" for package, version in profile.versions.items()})
    assert found("versions").words == f"those of the profile “{profile.name}”"


def test_versions_that_nobody_has_tried_are_named(monkeypatch):
    versions = {**PROFILES[1].versions, "vllm": "0.30"}
    installed(monkeypatch, {package: f"{version}.1" for package, version in versions.items()})
    assert found("versions").level == "problem"
    assert "vllm 0.30.1 (tried: 0.24)" in found("versions").words


def test_the_doctor_says_what_verl_attends_with(monkeypatch):
    versions = {package: f"{version}.1" for package, version in PROFILES[1].versions.items()}
    installed(monkeypatch, versions)
    assert found("verl's attention").words.startswith("PyTorch's own; flash-attn, which is not installed")
    installed(monkeypatch, versions | {"flash-attn": "2.8.3"})
    assert found("verl's attention").words.startswith("flash-attn 2.8.3 for `model.dtype: bfloat16`")


def test_a_version_that_only_begins_alike_does_not_fit(monkeypatch):
    installed(monkeypatch, {"torch": "2.130.0"})
    assert doctor.misfits_of(Profile("x", {"torch": "2.13"}, "")) == [("torch", "2.130.0", "2.13")]


def test_a_port_that_answers_beyond_this_machine_is_a_problem(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        threading.Thread(target=lambda: server.accept()[0].close(), daemon=True).start()
        monkeypatch.setattr(doctor, "RAY_PORTS", {port: "Ray"})
        monkeypatch.setattr(socket, "gethostbyname", lambda name: "127.0.1.1")
        assert found(str(port)).level == "good"
        monkeypatch.setattr(doctor, "_answers", lambda host, _: host in ("127.0.0.1", "10.1.2.3"))
        monkeypatch.setattr(socket, "gethostbyname", lambda name: "10.1.2.3")
        assert found(str(port)).level == "problem"
        assert "docs/nodes.md" in found(str(port)).remedy


def test_an_address_for_ray_that_is_not_private_is_a_problem(monkeypatch):
    def address():
        return next(finding for finding in examine() if (finding.area, finding.name) == ("ports", "Ray"))

    monkeypatch.delenv("RPT_RAY_NODE_IP", raising=False)
    assert address().words.endswith("listens on 127.0.0.1")
    monkeypatch.setenv("RPT_RAY_NODE_IP", "0.0.0.0")
    finding = address()
    assert (finding.level, finding.remedy) == ("problem", "unset RPT_RAY_NODE_IP")


def test_no_gpu_is_told_apart_from_one_that_torch_cannot_use():
    assert doctor.no_gpu(None, 0).level == "note"
    assert doctor.no_gpu("13.0", 0).level == "note"
    assert "build without CUDA" in doctor.no_gpu(None, 2).words
    assert "driver that supports CUDA 13.0" in doctor.no_gpu("13.0", 2).remedy


@pytest.mark.parametrize(("limit", "expected"), [("2000000000\n", 2_000_000_000), ("max\n", None), (None, None)])
def test_the_memory_is_what_the_container_may_use(monkeypatch, tmp_path, limit, expected):
    path = tmp_path / "memory.max"
    if limit is not None:
        path.write_text(limit)
    monkeypatch.setattr(doctor, "CGROUP_MEMORY", path)
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert doctor.memory_bytes() == (expected or whole)


def test_the_text_groups_findings_by_area(capsys):
    main([])
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [
        "machine",
        "packages",
        "engines",
        "folders",
        "ports",
    ]
