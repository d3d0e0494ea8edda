"""The faults of the soak: each does its harm to a running platform, and undoes what does not heal by itself.

In: a `Place` that knows the data folder and the processes. Out: words on what was done; "" when there was nothing to
do it to. Kills are SIGKILL. A full disk is one really: `runs/` is a small tmpfs of its own, filled to the last byte. A
lost mount is the data folder under another name for a while. A frozen stage gets SIGSTOP and nothing more.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rpt_core.run.folder import RunDir
from rpt_web.supervisor import paths

AWAY_SECONDS = 6.0
"""How long a full disk stays full, and a lost folder away."""
AFTERMATH_SECONDS = 15.0
"""How long after an outage a run may end by it: the stage has to meet it, and the worker to see how it ended."""
FILLER = "filler"


@dataclass(frozen=True)
class Outage:
    """A time in which files could not be written or found, and how a run says that it ended by that."""

    began: float
    ended: float
    """Seconds since 1970."""
    says: re.Pattern[str]

    def explains(self, ended_at: float, error: str) -> bool:
        """Whether a run that ended then, with these words, ended by this outage."""
        return self.began <= ended_at <= self.ended + AFTERMATH_SECONDS and bool(self.says.search(error))


@dataclass
class Place:
    """Where the platform is: its data folder, the process of `manage.py up`, and what may be harmed."""

    data_dir: Path
    supervisor: int
    pause: Callable[[float], None]
    outages: list[Outage] = field(default_factory=list)
    """Those that there have been."""

    @property
    def runs(self) -> Path:
        """Folder of the runs: a file system of its own where that may be made."""
        return self.data_dir / "runs"

    def children(self, word: str) -> list[int]:
        """Processes below the supervisor with a word in their command line."""
        return [pid for pid in _descendants(self.supervisor) if word in _command(pid)]

    def stages(self) -> list[int]:
        """Processes of stages that run."""
        found = []
        for folder in map(RunDir, self.runs.glob("*")):
            with contextlib.suppress(OSError, ValueError):
                pid = int(folder.pid.read_text())
                if str(folder.path) in _command(pid):
                    found.append(pid)
        return found


def kill_stage(place: Place, chance: random.Random) -> str:
    """Like a crashed driver, or a machine without memory."""
    stages = place.stages()
    return _kill([chance.choice(stages)]) if stages else ""


def kill_worker(place: Place, chance: random.Random) -> str:
    """The worker with all of its processes; its stages die with it."""
    return _kill(place.children("rpt_web.celery"))


def kill_web(place: Place, chance: random.Random) -> str:
    """The web server."""
    return _kill(place.children("uvicorn"))


def kill_reaper(place: Place, chance: random.Random) -> str:
    """The reaper."""
    return _kill(place.children("reaper"))


def kill_postgres(place: Place, chance: random.Random) -> str:
    """Postgres' first process; the others see it and end."""
    return _kill(place.children("bin/postgres -D")[:1])


def wipe_redis(place: Place, chance: random.Random) -> str:
    """Redis, with all that it had stored, or with that spoilt."""
    killed = _kill(place.children("redis.sock"))
    data = paths.servers_dir(place.data_dir) / "redis"
    how = chance.choice(("wiped", "spoilt"))
    for file in data.glob("*/appendonlydir/*"):
        if how == "wiped":
            file.unlink()
        else:
            file.write_bytes(chance.randbytes(500))
    return f"{killed}, its data {how}" if killed else ""


def fill_disk(place: Place, chance: random.Random) -> str:
    """No byte is left where the runs are, for a while."""
    if not os.path.ismount(place.runs) or not place.stages():
        return ""
    began, filler = time.time(), place.runs / FILLER
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(b"\0" * 65_536):
            pass
    size = filler.stat().st_size
    place.pause(AWAY_SECONDS)
    filler.unlink()
    place.outages.append(Outage(began, time.time(), full_disk_in_words(place.runs)))
    return f"{size / 1e6:.0f} MB"


def lose_folder(place: Place, chance: random.Random) -> str:
    """The data folder is not there for a while, as when its mount is lost."""
    if not place.stages():
        return ""
    began, away = time.time(), place.data_dir.with_name(place.data_dir.name + ".away")
    place.data_dir.rename(away)
    place.pause(AWAY_SECONDS)
    left = []
    if place.data_dir.exists():  # somebody wrote there meanwhile, as below a mount point
        left = sorted(str(path.relative_to(place.data_dir)) for path in place.data_dir.rglob("*") if path.is_file())
        shutil.rmtree(place.data_dir)
    away.rename(place.data_dir)
    place.outages.append(Outage(began, time.time(), lost_folder_in_words(place.data_dir)))
    return f"for {AWAY_SECONDS:.0f} s; written there meanwhile: {', '.join(left) or 'nothing'}"


def freeze_stage(place: Place, chance: random.Random) -> str:
    """A stage does nothing any more and does not end."""
    stages = place.stages()
    if not stages:
        return ""
    frozen = chance.choice(stages)
    os.kill(frozen, signal.SIGSTOP)
    return f"process {frozen}"


def full_disk_in_words(runs: Path) -> re.Pattern[str]:
    """What a run's error says when a full disk ended it (`rpt_core.stages`)."""
    return re.compile(rf"The disk of {re.escape(str(runs))}/\d+ is full\.")


def lost_folder_in_words(data_dir: Path) -> re.Pattern[str]:
    """What a run's error or the end of its log says when a file of the data folder was not there."""
    below = re.escape(str(data_dir))
    return re.compile(rf"No such file or directory: '{below}[/']|{below}/\S+ does not exist")


KILLS: dict[str, Callable[[Place, random.Random], str]] = {
    "stage killed": kill_stage,
    "worker killed": kill_worker,
    "web server killed": kill_web,
    "reaper killed": kill_reaper,
    "Redis killed": wipe_redis,
    "Postgres killed": kill_postgres,
}
OTHERS: dict[str, Callable[[Place, random.Random], str]] = {
    "full disk": fill_disk,
    "lost mount": lose_folder,
    "frozen stage": freeze_stage,
}


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[bool]:
    """A tmpfs of that size on a folder; False where mounting is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=750", "rpt-soak", str(folder)]
    mounted = subprocess.run(command, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)


def _kill(pids: list[int]) -> str:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return f"process {', '.join(map(str, pids))}" if pids else ""


def _descendants(pid: int) -> list[int]:
    found = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *_descendants(int(child))]
    return found


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""
