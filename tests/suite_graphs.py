"""Small graphs of runs, and how they are claimed and ended by hand, one after the other or at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection

from rpt_core.plans.preset import PlannedRun, Preset
from rpt_core.run.folder import RunDir
from rpt_web.runs import services
from rpt_web.runs.models import Experiment, Run, Status


def planned(name: str, model: str = "m", positions: str = "p", **more: Any) -> PlannedRun:
    """An RPT run of a plan."""
    config = {"model": {"path": model}, "positions": positions, "seed": "@seed", "steps": 7, **more}
    return PlannedRun(name=name, stage="rpt", title=f"Run {name}", config=config)


def plan(*runs: PlannedRun, **more: Any) -> Preset:
    """A plan of these runs."""
    return Preset(name="graph", description="d", runs=runs, **more)


BASE = planned("base")
LEFT, RIGHT = planned("left", "@base/checkpoint"), planned("right", "@base/checkpoint@5")
BOTH, END = planned("both", "@left/checkpoint", "@right/folder"), planned("end", "@both/checkpoint")
ALONE = planned("alone")
DIAMOND = plan(BASE, LEFT, RIGHT, BOTH, END, ALONE)


def states(experiment: Experiment) -> dict[str, str]:
    """Each run's status by its name, in the order of the plan."""
    return {run.name: str(run.status) for run in experiment.runs.order_by("id")}


def claim(experiment: Experiment, name: str) -> Run:
    """Claim a run as a worker does."""
    claimed = services.claim(experiment.runs.get(name=name).pk, "w")
    assert claimed is not None
    return claimed


def end(run: Run, status: Status = Status.SUCCEEDED) -> None:
    """End a claimed run with checkpoints of steps 5 and 7 on disk."""
    for step in (5, 7):
        RunDir(run.directory).checkpoint(step).mkdir(parents=True, exist_ok=True)
    assert services.finish(run, run.attempt, status, error="" if status == Status.SUCCEEDED else "bad")


def play(experiment: Experiment, *names: str, status: Status = Status.SUCCEEDED) -> None:
    """Claim and end these runs, one after the other."""
    for name in names:
        end(claim(experiment, name), status)


def at_once(*acts: Callable[[], object]) -> None:
    """Do several things at the same time, each in a thread with a connection of its own."""
    barrier = threading.Barrier(len(acts))

    def do(act: Callable[[], object]) -> None:
        try:
            barrier.wait()
            act()
        finally:
            connection.close()

    threads = [threading.Thread(target=do, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
