"""Several machines on one: Linux namespaces with a network address, host name, process table and memory files each.

Their disk is the same one, as a team's shared folder would be. Needs root and iproute2.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

NEEDED = ("ip", "unshare", "mount")


def missing() -> str:
    """What machines cannot be made without; empty when all is there."""
    if os.geteuid() != 0:
        return "only root can make network namespaces"
    return ", ".join(name for name in NEEDED if shutil.which(name) is None)


@dataclass
class Machine:
    """One machine; what runs on it ends with it."""

    name: str
    address: str
    private: Path
    """A folder that each machine has a different one of, in memory."""
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, command: str, log: Path, environment: dict[str, str]) -> None:
        """Run a command of the shell on it."""
        prepare = f"mount -t tmpfs tmpfs {self.private} && mount -t tmpfs tmpfs /dev/shm && hostname {self.name}"
        isolated = ["unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
        words = ["ip", "netns", "exec", self.name, *isolated, "sh", "-c", f"{prepare} && exec {command}"]
        with log.open("ab") as output:
            process = subprocess.Popen(words, env=environment, stdout=output, stderr=subprocess.STDOUT)
        self.running.append(process)

    def processes(self) -> list[int]:
        """Numbers of all that runs on it."""
        found = subprocess.run(["ip", "netns", "pids", self.name], check=True, capture_output=True, text=True)
        return [int(word) for word in found.stdout.split()]

    def lose(self) -> None:
        """End it as a power cut would: all of its processes at once, and its network."""
        subprocess.run(["ip", "-netns", self.name, "link", "set", "eth0", "down"], check=True)
        for process in self.running:
            process.send_signal(signal.SIGKILL)
            process.wait()
        self.running.clear()

    def repair(self) -> None:
        """Give it its network again; nothing runs on it yet."""
        subprocess.run(["ip", "-netns", self.name, "link", "set", "eth0", "up"], check=True)


@contextmanager
def machines(count: int) -> Iterator[list[Machine]]:
    """So many machines on a network of their own, which this process reaches too."""
    mark = f"rpt{random.randrange(10_000):04d}"
    network = f"10.{random.randrange(64, 128)}.{random.randrange(256)}"
    private = Path(tempfile.mkdtemp(prefix="rpt-ray-"))
    found = [Machine(f"{mark}n{number}", f"{network}.{number + 2}", private) for number in range(count)]
    try:
        _ip(f"link add {mark} type bridge", f"addr add {network}.1/24 dev {mark}", f"link set {mark} up")
        for machine in found:
            _connect(machine, mark)
        yield found
    finally:
        for machine in found:
            if _has_network(machine):
                machine.lose()
                _ip(f"netns del {machine.name}")
            shutil.rmtree(_etc(machine), ignore_errors=True)
        subprocess.run(["ip", "link", "del", mark], check=False)
        shutil.rmtree(private)


def _connect(machine: Machine, bridge: str) -> None:
    name, inside = machine.name, f"-netns {machine.name}"
    _etc(machine).mkdir(parents=True)
    (_etc(machine) / "hosts").write_text(f"127.0.0.1 localhost\n{machine.address} {name}\n")
    _ip(
        f"netns add {name}",
        f"link add {name}v type veth peer name eth0 netns {name}",
        f"link set {name}v master {bridge} up",
        f"{inside} addr add {machine.address}/24 dev eth0",
        f"{inside} link set eth0 up",
        f"{inside} link set lo up",
        f"{inside} route add default via {machine.address.rpartition('.')[0]}.1",
    )


def _etc(machine: Machine) -> Path:
    """Files that take the place of those in /etc (ip-netns)."""
    return Path("/etc/netns") / machine.name


def _has_network(machine: Machine) -> bool:
    return Path("/run/netns", machine.name).exists()


def _ip(*commands: str) -> None:
    for command in commands:
        subprocess.run(["ip", *command.split()], check=True, capture_output=True)
