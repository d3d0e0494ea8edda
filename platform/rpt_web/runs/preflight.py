"""Pre-flight of a config for the page and the API: a process of its own looks, since the web loads no tokenizer.

In: values for a stage's config, wrong ones too, and the name of the hardware. Out: the report of `rpt_core.preflight`
as plain data. It sees what this machine sees: models and data that only a node has are reported as missing here.

What the config may not read (`runs.reach`) is never opened: something harmless stands in for it. The process has limits
on memory and time, and a few run at a time on a machine, whichever web process started them; who submits may wait for
one to end. No connection of the database is held while it runs, or while somebody waits.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import connection

from rpt_core.config import STAGES
from rpt_core.config.reads import Reading, Reads, readings
from rpt_core.config.rules import sound_part
from rpt_core.errors import UserError
from rpt_web.runs import reach

TIMEOUT_SECONDS = 60
MEMORY_GB = 1
AT_ONCE = 2
RETRY_AFTER_SECONDS = 10
MOST_WAITING = 4
"""Requests of a web server that may wait for a place; each of them holds one of its threads."""
StageValues = tuple[str, Mapping[str, Any]]
"""A stage, and values for its config."""
BY_HAND = "Run it in a shell: .venv/bin/python -m rpt_core preflight STAGE CONFIG"
MAY_READ = "what runs may read"
"""Where a refusal comes from, in a report."""
STAND_IN = "@refused/folder"
"""In place of what may not be read: pre-flight takes it for what an earlier run has yet to make."""
_HARMLESS = {Reads.TEMPLATE: "v0", Reads.KEYWORDS: "paper", Reads.ADDRESS: None}
_ESTIMATES = ("memory", "typical", "most", "first_prompt")
_LEFT_OUT = ("DATABASE_URL", "REDIS_URL")


class TooManyChecks(UserError):
    """As many checks as are allowed run already."""


def report(
    stage: str, values: Mapping[str, Any], hardware: str, teams: reach.Teams, *, person: int | None = None
) -> dict[str, Any]:
    """Problems by field, memory, compute, hours, disk, the first prompt.

    person: the key of who asks, of whom one check runs at a time. Raises TooManyChecks while as many run as may,
    UserError when the report cannot be made.
    """
    with _alone(person):
        return reports([(stage, values)], hardware, teams)[0]


def reports(
    asked: Sequence[StageValues], hardware: str, teams: reach.Teams, *, patience_seconds: float = 0
) -> list[dict[str, Any]]:
    """The same for several configs, within the limits for one. Raises TooManyChecks after `patience_seconds`."""
    ours = [_not_to_be_read(stage, values, teams) for stage, values in asked]
    harmless = [(stage, _without(values, list(kept))) for (stage, values), kept in zip(asked, ours, strict=True)]
    found = _looked_at(harmless, hardware, patience_seconds)
    return [_with(report, list(kept.values())) for report, kept in zip(found, ours, strict=True)]


def reports_of_person(
    asked: Sequence[StageValues], hardware: str, teams: reach.Teams, person: int
) -> list[dict[str, Any]]:
    """The same for somebody who waits for it, of whom one check runs at a time."""
    with _alone(person):
        return reports(asked, hardware, teams)


def _not_to_be_read(stage: str, values: Mapping[str, Any], teams: reach.Teams) -> dict[Reading, dict[str, str]]:
    """What the process gets no sight of, with what is said of it: what may not be read, and what a node may have."""
    part = sound_part(STAGES[stage], values)
    refused = dict(reach.refusals(part, is_plan=True, teams=teams))
    found = {}
    for reading in readings(part):
        if words := refused.get(reading.field):
            found[reading] = {"field": reading.field, "message": words, "level": "error", "source": MAY_READ}
        elif words := reach.why_elsewhere(reading):
            found[reading] = {"field": reading.field, "message": words, "level": "warning"}
    return found


def _with(report: dict[str, Any], ours: list[dict[str, str]]) -> dict[str, Any]:
    """The report with our problems before the others; without estimates, which something harmless went into."""
    if not ours:
        return report
    others = [problem for problem in report["problems"] if STAND_IN not in problem["message"]]
    return report | {"problems": ours + others} | dict.fromkeys(_ESTIMATES)


def _without(values: Mapping[str, Any], refused: list[Reading]) -> dict[str, Any]:
    """A copy of the values with something harmless for what may not be read."""
    copy = deepcopy(dict(values))
    for reading in refused:
        *parents, last = reading.field.split(".")
        place: Any = copy
        for part in parents:
            place = place[int(part)] if isinstance(place, list | tuple) else place.setdefault(part, {})
        place[int(last) if isinstance(place, list) else last] = _HARMLESS.get(reading.kind, STAND_IN)
    return copy


def _looked_at(asked: Sequence[StageValues], hardware: str, patience_seconds: float) -> list[dict[str, Any]]:
    if not connection.in_atomic_block:
        connection.close()  # whoever waits here must not keep others from the database
    with slot(patience_seconds), tempfile.TemporaryDirectory() as folder:
        command = [*settings.RPT_STAGE_COMMAND, "preflight", *_files(asked, Path(folder)), "--json"]
        command += ["--hardware", hardware, "--folder", str(settings.RPT_DATA_DIR), "--max-memory-gb", str(MEMORY_GB)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, cwd=settings.ROOT, env=_environment()
            )
        except subprocess.TimeoutExpired:
            raise UserError(f"The check took longer than {TIMEOUT_SECONDS} s. {BY_HAND}") from None
    found = _answer(done)
    return found if len(asked) > 1 else [found]


def _files(asked: Sequence[StageValues], folder: Path) -> list[str]:
    """The words of the command that name the configs, each put into a file."""
    words: list[str] = []
    for number, (stage, values) in enumerate(asked):
        path = folder / f"{number}.json"
        path.write_text(json.dumps(values, default=str), encoding="utf-8")  # YAML knows dates, JSON does not
        words += ["--also"] * bool(number) + [stage, str(path)]
    return words


def _answer(done: subprocess.CompletedProcess[str]) -> Any:
    """What the process has printed. Only a message that is meant for people is passed on."""
    if not done.stdout:
        last = (done.stderr.strip().splitlines() or [""])[-1]
        if last.startswith("error: "):
            raise UserError(last.removeprefix("error: "))
        raise UserError(f"The check ended without an answer; it may need more than {MEMORY_GB} GB of memory. {BY_HAND}")
    return json.loads(done.stdout)


def _environment() -> dict[str, str]:
    """Without the addresses of database and queue, and with one thread: more take memory and help little."""
    passed = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}
    return passed | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1"}


@contextmanager
def _alone(person: int | None) -> Iterator[None]:
    """Hold what only one check of a person holds, in whichever web process; raises TooManyChecks for another one."""
    if person is None:
        yield
        return
    folder = settings.RPT_DATA_DIR / "checks"
    folder.mkdir(exist_ok=True)
    with (folder / f"{person}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TooManyChecks("A check of yours is running already. Wait for it to end, then check again.") from None
        yield


waiting = threading.BoundedSemaphore(MOST_WAITING)


@contextmanager
def slot(patience_seconds: float = 0) -> Iterator[None]:
    """One of the places for a check on this machine; raises TooManyChecks when none becomes free in so many seconds."""
    with _free_place() or _awaited_place(patience_seconds):
        yield


def _awaited_place(patience_seconds: float) -> IO[str]:
    if patience_seconds and waiting.acquire(blocking=False):
        deadline = time.monotonic() + patience_seconds
        try:
            while time.monotonic() < deadline:
                time.sleep(0.1)
                if (place := _free_place()) is not None:
                    return place
        finally:
            waiting.release()
    raise TooManyChecks(
        f"{AT_ONCE} checks are running already, the most that may run at a time. Try again in {RETRY_AFTER_SECONDS} "
        "seconds."
    )


def _free_place() -> IO[str] | None:
    """The places are files that are locked, so that all web processes share them; closing one frees it."""
    for number in range(AT_ONCE):
        file = (settings.RPT_DATA_DIR / f"preflight-{number}.lock").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
        else:
            return file
    return None
