"""The demo's runs, from the first to the last: submitted together as a suite, then watched.

In: a plan and an experiment. Out: the runs, all succeeded. Only the rows in Postgres are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.db import InterfaceError, OperationalError, connection

from rpt_core.errors import UserError, said
from rpt_core.plans.preset import Preset, expand, load_preset, missing
from rpt_core.run.copies import copy_prefix
from rpt_core.run.folder import RunDir
from rpt_web.runs import services
from rpt_web.runs.models import UNFINISHED, Experiment, Run, Status
from rpt_web.supervisor.demo.progress import DemoProgress
from rpt_web.teams.membership import first_team, join
from rpt_web.teams.models import User

USERNAME = "demo"
MARK = "Made by `manage.py demo`."
"""Description of the demo's experiments, by which a later demo knows them."""
POLL_SECONDS = 0.5


class RunFailed(Exception):
    """A run of the demo has ended, but not well."""

    def __init__(self, run: Run) -> None:
        super().__init__(f"{run.name} {run.status}")
        self.run = run


def checked_preset(name: str) -> Preset:
    """The preset, if it has what the demo's table shows and can run here. Raises UserError otherwise."""
    preset = load_preset(name)
    if "rpt" not in {planned.name for planned in preset.runs}:
        raise UserError(f"The preset {name!r} has no run named rpt, which the demo's table needs. Try --preset tiny.")
    if reasons := missing(preset):
        raise UserError(f"The preset {name!r} cannot run here. {' '.join(reasons)} Or try --preset tiny.")
    return preset


class Copies:
    """What is played: the preset once with one seed, or a copy of it for each of its own seeds."""

    def __init__(self, preset: Preset, seed: int | None) -> None:
        several = preset.seeds if seed is None else None
        self.preset = preset
        self.seeds = several or (seed or 0,)
        self.plan = expand(preset, several) if several else preset.model_copy(update={"seeds": None})

    @property
    def is_single(self) -> bool:
        """Whether there is one copy, whose runs bear the preset's own names."""
        return self.plan.runs[0].name == self.preset.runs[0].name

    def each(self, runs: Mapping[str, Run]) -> list[tuple[int, dict[str, Run]]]:
        """(seed, its runs by the names that they have in the preset), seed by seed."""
        return [
            (seed, {planned.name: runs[self._prefix(seed) + planned.name] for planned in self.preset.runs})
            for seed in self.seeds
        ]

    def _prefix(self, seed: int) -> str:
        return "" if self.is_single else copy_prefix(seed)


def demo_user() -> User:
    """The demo's user, who has no password: only a one-time link lets somebody in as them."""
    user = User.objects.filter(username=USERNAME).first() or User.objects.create_user(USERNAME)
    if not user.roles:
        join(user, first_team())
    return user


def cancel_leftovers(user: User) -> int:
    """Cancel what earlier demos left unfinished, so that the workers are free; returns how many runs that were."""
    left = list(Run.objects.filter(experiment__created_by=user, experiment__description=MARK, status__in=UNFINISHED))
    for run in left:
        services.request_cancel(run, user)
    return len(left)


def new_experiment(copies: Copies, user: User) -> Experiment:
    """The experiment of one demo."""
    noun = "seed" if copies.is_single else "seeds"
    name = f"Demo: {copies.preset.name}, {noun} {', '.join(map(str, copies.seeds))}"
    return services.create_experiment(name, user, preset=copies.preset.name, seed=copies.seeds[0], description=MARK)


class DemoRuns:
    """The runs of one experiment on their way."""

    def __init__(self, plan: Preset, experiment: Experiment, user: User, progress: DemoProgress) -> None:
        self.plan = plan
        self.experiment = experiment
        self.user = user
        self.progress = progress
        self._numbers = {planned.name: number for number, planned in enumerate(plan.runs, start=1)}
        self._ended: set[str] = set()

    def follow(self, pause: Callable[[float], None]) -> dict[str, Run]:
        """Go on until all have succeeded. Raises RunFailed as soon as one ends otherwise."""
        while True:
            try:
                runs = self._step()
            except (OperationalError, InterfaceError) as error:
                self.progress.say(f"The database does not answer ({said(error)}); trying again.")
                connection.close()
                runs = {}
            if len(self._ended) == len(self.plan.runs):
                return runs
            pause(POLL_SECONDS)

    def _step(self) -> dict[str, Run]:
        # People may submit runs of their own to the experiment meanwhile; how those end is no matter of the demo.
        runs = {run.name: run for run in self.experiment.runs.filter(name__in=self._numbers)}
        if not runs:
            services.submit_suite(self.experiment, self.plan, self.user)
        for run in runs.values():
            self._note(run)
        active = [run for run in runs.values() if run.is_active]
        running = [run for run in active if run.status == Status.RUNNING] or active[:1]
        self.progress.show(sorted((self._numbers[run.name], run) for run in running))
        return runs

    def _note(self, run: Run) -> None:
        if run.status in UNFINISHED or run.name in self._ended:
            return
        self.progress.ended(run, self._numbers[run.name])
        if run.status != Status.SUCCEEDED:
            raise RunFailed(run)
        self._ended.add(run.name)


def explain(run: Run) -> list[str]:
    """Why a run failed, and where to look."""
    lines = [f"The run {run.name!r} (stage {run.stage}) has {run.status}: {run.error or 'no reason was recorded'}"]
    if run.log_tail:
        lines += ["The end of its log:", *(f"    {line}" for line in run.log_tail.splitlines()[-15:])]
    folder = RunDir(run.directory)
    return [
        *lines,
        f"Its folder: {folder.path} ({folder.log.name}, {folder.events.name}). "
        f"The worker's log: {folder.path.parents[1]}/logs/worker.log",
    ]
