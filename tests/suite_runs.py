"""Suites as if they had been played, whole or up to a failure; see `tests.preset_runs`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from rpt_core.plans.preset import load_preset
from rpt_web.runs import services
from rpt_web.runs.models import Experiment, Run, Status
from rpt_web.teams.models import User
from tests.factories import computed_at_the_end, end_run, make_experiment, start_run
from tests.preset_runs import play


def suite(
    user: User, name: str = "Paper, small", *, preset: str = "tiny-paper", seeds: Sequence[int] = (0,)
) -> Experiment:
    """A suite as it was submitted: what needs nothing is queued, the rest waits."""
    experiment = make_experiment(user, name, preset=preset, description="Small versions of the paper's experiments.")
    services.submit_suite(experiment, load_preset(preset), user, seeds=seeds)
    return experiment


def stopped_suite(user: User, name: str = "Paper, stopped") -> Experiment:
    """A suite in which one run failed: what needs it is blocked, the rest waits or has succeeded."""
    experiment = suite(user, name)
    finish_waiting(experiment, "s0-base")
    services.advance(experiment.pk)
    run, events = start_run(experiment.runs.get(name="s0-filter"))
    end_run(run, events, Status.FAILED, error="The disk is full. Make room, then retry the run.", exit_code=2)
    return experiment


def finished_suite(user: User, name: str = "Paper, small", **more: Any) -> Experiment:
    """All runs of a suite, succeeded."""
    experiment = suite(user, name, **more)
    finish_all_waiting(experiment, experiment.runs.order_by("id").values_list("name", flat=True), steps=80)
    return experiment


def finish_all_waiting(experiment: Experiment, names: Iterable[str], *, steps: int = 3, groups: int = 1) -> None:
    """Play runs of a suite, one after another."""
    with computed_at_the_end(experiment):
        for name in names:
            finish_waiting(experiment, name, steps=steps, groups=groups)


def finish_waiting(experiment: Experiment, name: str, *, steps: int = 3, groups: int = 1) -> Run:
    """Play a run of a suite to its end; those it needs must have been."""
    services.advance(experiment.pk)
    run = experiment.runs.get(name=name)
    play(run, timedelta(minutes=3), steps, groups)
    run.refresh_from_db()
    return run
