"""The platform under fire: started, harmed, looked after as a person would, compared.

In: the options of the soak, its folder with the undisturbed suite, an environment that names the data folder. Out:
sentences on what is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import django

django.setup()

from django.db import Error, connection  # noqa: E402 - reads the settings

from rpt_core.plans.play import asked_plan  # noqa: E402 - reads the settings
from rpt_core.run.folder import RunDir  # noqa: E402 - reads the settings
from rpt_web.runs import services  # noqa: E402 - reads the settings
from rpt_web.runs.models import ENDED_BADLY, Experiment, Run, Status  # noqa: E402 - reads the settings
from scripts.soak.faults import KILLS, OTHERS, Place, small_disk  # noqa: E402 - reads the settings
from scripts.soak.sameness import differences, miscounts  # noqa: E402 - reads the settings

ROOT = Path(__file__).resolve().parents[2]
DISK_MEGABYTES = 600
LAST_SECONDS = 1200
"""How long the last suite may take once there are no more faults."""
ATTEMPTS = 1000
"""Of each run: more than faults can use up."""
Answer = TypeVar("Answer")


def run(options: argparse.Namespace, folder: Path, data_dir: Path) -> list[str]:
    """All of it; returns what is wrong."""
    with small_disk(data_dir / "runs", DISK_MEGABYTES) as is_mounted:
        if not is_mounted:
            print("soak: no file system may be mounted here, so there will be no full disk", flush=True)
        found = _Soak(options, folder, data_dir).run()
        if is_mounted and (found or options.keep):
            shutil.copytree(data_dir / "runs", folder / "runs")  # the small disk goes away
        return found


class _Soak:
    """One platform under fire."""

    def __init__(self, options: argparse.Namespace, folder: Path, data_dir: Path) -> None:
        self.options, self.folder, self.data_dir = options, folder, data_dir
        self.chance = random.Random(options.seed)
        self.experiments: list[Experiment] = []
        self.retried: Counter[str] = Counter()
        self.log = folder / "up.log"
        self.place = Place(data_dir, 0, time.sleep)

    def run(self) -> list[str]:
        """All of it; returns what is wrong."""
        began = time.monotonic()
        with self.log.open("wb") as log:
            command = [sys.executable, "manage.py", "up", "--data-dir", str(self.data_dir), "--port", str(_free_port())]
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            self._until_up(process)
            self._submit()
            self.place.supervisor = process.pid
            done = self._harm()
            found = self._to_the_end()
            print(f"soak: {sum(done.values())} faults in {time.monotonic() - began:.0f} s: {_listed(done)}")
            return found + self._compare()
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()

    def _until_up(self, process: subprocess.Popen[bytes]) -> None:
        while "The platform runs at" not in self.log.read_text():
            if process.poll() is not None:
                raise SystemExit(f"The platform did not start:\n{self.log.read_text()}")
            time.sleep(0.5)

    def _plan(self) -> list[str]:
        """Which faults come, in their order."""
        kills = [*KILLS][: self.options.kills]
        kills += self.chance.choices([*KILLS], k=self.options.kills - len(kills))
        plan = kills + ([] if self.options.kills_only else [*OTHERS])
        self.chance.shuffle(plan)
        return plan

    def _harm(self) -> Counter[str]:
        """Do all faults, spread over the time; a fault that finds nothing to harm waits until there is something."""
        place, plan, done = self.place, self._plan(), Counter[str]()
        pause = self.options.seconds / (len(plan) + 1)
        for name in plan:
            self._live(pause * self.chance.uniform(0.5, 1.5))
            while not (words := {**KILLS, **OTHERS}[name](place, self.chance)):
                if not os.path.ismount(place.runs) and name == "full disk":
                    break
                self._live(0.5)
            else:
                done[name] += 1
                print(f"soak: {time.strftime('%H:%M:%S')} {name}: {words}", flush=True)
        return done

    def _live(self, seconds: float) -> None:
        """Let time pass; a suite that has ended is followed by another."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._ask(self._look):
                self._ask(self._submit)
            time.sleep(0.5)

    def _look(self) -> bool:
        """Whether all runs have succeeded. Those that a full or lost disk ended are retried, as a person would."""
        runs = Run.objects.filter(experiment__in=self.experiments)
        for run in runs.filter(status__in=ENDED_BADLY):
            if not self._ended_by_an_outage(run):
                raise SystemExit(f"The run {run.pk} ({run.name}) {run.status}: {run.error}\n{run.log_tail}")
            self.retried[run.error[:80]] += 1
            print(f"soak: {run.name} {run.status} and is retried: {run.error[:150]}", flush=True)
            services.retry(run, None)
        return not runs.exclude(status=Status.SUCCEEDED).exists()

    def _ended_by_an_outage(self, run: Run) -> bool:
        """Its end lies in a time without files, and its own words name that; a kill at the time explains nothing."""
        words = f"{run.error}\n{run.log_tail}"
        at = run.finished_at.timestamp() if run.finished_at else 0.0
        return any(outage.explains(at, words) for outage in self.place.outages)

    def _submit(self) -> None:
        experiment = services.create_experiment(f"Soak {len(self.experiments) + 1}", None, seed=0)
        services.submit_suite(experiment, asked_plan(self.options.preset, []), None)
        Run.objects.filter(experiment=experiment).update(max_attempts=ATTEMPTS)
        self.experiments.append(experiment)

    def _ask(self, what: Callable[[], Answer]) -> Answer:
        """Ask the database, which may be away for a moment."""
        deadline = time.monotonic() + 120
        while True:
            try:
                return what()
            except (Error, OSError):
                connection.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def _to_the_end(self) -> list[str]:
        deadline = time.monotonic() + LAST_SECONDS
        while not self._ask(self._look):
            if time.monotonic() > deadline:
                return [f"The suite has not ended {LAST_SECONDS} s after the last fault."]
            time.sleep(1)
        return []

    def _compare(self) -> list[str]:
        found = []
        runs = list(Run.objects.filter(experiment__in=self.experiments, status=Status.SUCCEEDED).order_by("id"))
        for run in runs:
            name = f"{run.name} (run {run.pk})"
            found += differences(name, RunDir(run.directory), RunDir(self.options.undisturbed / run.name))
            found += miscounts(run)
        attempts = sum(run.attempt for run in runs)
        print(f"soak: {len(self.experiments)} suites, {len(runs)} runs compared, {attempts} attempts", flush=True)
        return found


def _listed(done: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(done.items()))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
