"""Which experiments and runs there are, and how much each of them wrote.

In: amounts. Out: objects that are not stored yet, with the ids that they will have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from rpt_core.plans.preset import PlannedRun, load_preset
from rpt_core.run.folder import RunDir
from rpt_web.runs.models import Experiment, Run, Status
from rpt_web.teams.models import Team

MARK = "Made by `manage.py fill`. Nothing here ever ran; `manage.py fill --remove` takes it away."
"""The description of each experiment, by which they are known."""
SAMPLING = ("rpt", "expert_iteration")
TRAINING = (*SAMPLING, "ntp", "sft")
STEPS = 80
POSITIONS = 700
"""Of evaluations, where nobody asks for more."""
SHARE_OF_LARGEST = 5
"""The first run that samples has one in so many of all responses."""
APART = timedelta(hours=3)
"""Time between experiments."""
FAILED_EVERY, CANCELLED_EVERY = 10, 7


@dataclass(frozen=True)
class Amounts:
    """How much is to be made."""

    responses: int
    runs: int
    steps: int
    """Metrics of the run that has the most."""
    documents: int
    """Of the largest corpus, and of the filter run that has scored any."""
    positions: int = 0
    """So many are asked at each of `checkpoints` evaluations of one run, with eight responses each."""
    checkpoints: int = 0

    @property
    def evaluated(self) -> int:
        """At so many positions every evaluation measures."""
        return max(self.positions, POSITIONS)


@dataclass(frozen=True)
class FilledRun:
    """A run with what it wrote."""

    run: Run
    metrics: int
    responses: int
    group: int
    """Responses of one step."""
    positions: int = 0
    """Of its evaluations."""
    checkpoints: int = 0


def filled_runs(
    experiments: Sequence[Experiment], ids: Sequence[int], amounts: Amounts, now: datetime
) -> list[FilledRun]:
    """The runs of all experiments, as many as there are ids."""
    plan = load_preset("tiny").runs
    runs = [
        run
        for number, experiment in enumerate(experiments)
        for run in _runs(experiment, number, plan, ids[number * len(plan) : (number + 1) * len(plan)], now)
    ]
    sampling = [run.pk for run in runs if run.stage in SAMPLING and run.status != Status.WAITING]
    responses = dict(zip(sampling, _shares(amounts.responses, len(sampling)), strict=True))
    largest = max(responses, key=lambda key: responses[key], default=None)
    others = [run for run in runs if run.pk in responses and run.pk != largest]
    read = next((run.pk for run in sorted(others, key=lambda run: run.stage != "rpt")), largest)
    return [
        FilledRun(
            run,
            _metrics(run, amounts.steps if place == 0 else STEPS),
            responses.get(run.pk, 0),
            256 if run.pk == largest else 64,
            *((amounts.positions, amounts.checkpoints) if run.pk == read else ()),
        )
        for place, run in enumerate(runs)
    ]


def experiments_needed(runs: int) -> int:
    """So many experiments hold that many runs."""
    return -(-runs // len(load_preset("tiny").runs))


def experiment_of(pk: int, number: int, now: datetime, team: Team) -> Experiment:
    """The experiment of a number; the newest has the highest."""
    made_at = now - timedelta(days=365) + APART * number
    return Experiment(
        pk=pk,
        team=team,
        name=f"Cards, trial {number + 1}",
        description=MARK,
        preset="tiny",
        seed=number,
        created_at=made_at,
        results_version=1,
    )


def _shares(responses: int, runs: int) -> list[int]:
    """How many of the responses each run has: the first a large part, the others the same."""
    if runs < 2:
        return [responses] * runs
    first = responses // SHARE_OF_LARGEST
    each, rest = divmod(responses - first, runs - 1)
    return [first + rest] + [each] * (runs - 1)


def _metrics(run: Run, steps: int) -> int:
    return steps if run.stage in TRAINING and run.status != Status.WAITING else 0


def _runs(
    experiment: Experiment, number: int, plan: Sequence[PlannedRun], ids: Sequence[int], now: datetime
) -> Iterator[Run]:
    """The first runs of the plan; after one that failed, those that need it stay blocked."""
    by_name = {planned.name: pk for planned, pk in zip(plan, ids, strict=False)}
    ended_badly: set[str] = set()
    start = experiment.created_at
    for planned, pk in zip(plan, ids, strict=False):
        run = Run(pk=pk, experiment=experiment, name=planned.name, title=planned.title, stage=planned.stage)
        run.needs, run.seed, run.created_at = sorted(planned.needs()), experiment.seed, experiment.created_at
        run.plan = planned.config
        run.code_version, run.attempt = "filled", 1
        if ended_badly & {*run.needs}:
            run.status, run.config, run.attempt = Status.WAITING, {}, 0
            ended_badly.add(run.name)
        else:
            run.config = planned.resolve(experiment.seed, lambda name, what: _found(by_name, name, what)).model_dump(
                mode="json"
            )
            start = _ended(run, _status(run, number), start)
            if run.status != Status.SUCCEEDED:
                ended_badly.add(run.name)
        yield run


def _status(run: Run, number: int) -> Status:
    if run.name == "rpt" and number % FAILED_EVERY == FAILED_EVERY - 1:
        return Status.FAILED
    return Status.CANCELLED if run.name == "more-sft" and number % CANCELLED_EVERY == 1 else Status.SUCCEEDED


def _ended(run: Run, status: Status, start: datetime) -> datetime:
    """Set what a run has at its end. Gives the time of it."""
    spent = timedelta(minutes=2 + run.pk % 9)
    run.status, run.worker, run.exit_code = status, "filled:1", 0 if status == Status.SUCCEEDED else 1
    run.started_at, run.finished_at, run.time_spent = start, start + spent, spent
    run.log_tail = "\n".join(f"step {step} loss 1.{step:03d}" for step in range(60))
    run.result = {"steps": STEPS}
    if run.stage in TRAINING:
        run.step = STEPS if status == Status.SUCCEEDED else STEPS // 2
        run.total_steps, run.flops = STEPS, 1e13 + run.pk % 7 * 1e11
    if status == Status.FAILED:
        run.error = "The loss is not finite. Lower the learning rate."
    return run.finished_at


def _found(by_name: dict[str, int], name: str, what: str) -> str | float:
    """What a reference stands for; nothing of it is on disk."""
    folder = RunDir(settings.RPT_DATA_DIR / "runs" / str(by_name[name]))
    places = {"checkpoint": folder.checkpoint(STEPS), "positions": folder.positions}
    return 1e13 if what == "flops" else str(places[what])
