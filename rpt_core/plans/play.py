"""Runs a preset from the shell: each run in a process of its own, as soon as what it needs has finished.

In: a preset's name or a YAML file of the same form, a folder, seeds. Out: FOLDER/NAME for every run of the plan,
progress and results on the terminal, and at the end what failed and what was skipped for it. A run that fails stops
only those that need it. A run that has finished is not run again, and an interrupted one continues from its newest
checkpoint, so the same command can be repeated and runs only what is missing. Loads without torch and numpy.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from pydantic import ValidationError

from rpt_core.config import STAGES, StageConfig
from rpt_core.config.messages import in_lines, with_given
from rpt_core.errors import UserError
from rpt_core.plans.preset import PlannedRun, Preset, expand, load_preset, missing, preset_names, read_plan
from rpt_core.plans.process import RunProcess
from rpt_core.plans.report import report
from rpt_core.run.events import Event, EventType, read_events
from rpt_core.run.folder import RunDir
from rpt_core.run.products import product
from rpt_core.run.progress import SuiteProgress
from rpt_core.run.terminal import Screen
from rpt_core.stages import EXIT_FAILED, EXIT_FINISHED, EXIT_STOPPED

POLL_SECONDS = 0.5


def main(arguments: list[str]) -> int:
    """Parse the command line, run the plan, print the results; returns 0 only when every run has finished."""
    options = _parser().parse_args(arguments)
    try:
        preset = asked_plan(options.name, options.seeds if options.seed is None else [])
        if not options.anyway and (reasons := missing(preset)):
            raise UserError(f"The preset {preset.name!r} cannot run here. {' '.join(reasons)} Or give --anyway.")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_FAILED
    return run_preset(preset, options.folder.absolute(), options.seed or 0, options.jobs)


def asked_plan(name: str, seeds: Sequence[int] | None) -> Preset:
    """A shipped preset or a plan in a file, with a copy for each seed; `seeds` is empty for one copy as it is."""
    if name not in preset_names() and Path(name).is_dir():
        raise UserError(f"{name} is a folder. Name a preset ({', '.join(preset_names())}) or a YAML file with a plan.")
    preset = read_plan(Path(name)) if name.endswith((".yaml", ".yml")) else load_preset(name)
    wanted = preset.seeds if seeds is None else seeds
    return expand(preset, wanted) if wanted else preset.model_copy(update={"seeds": None})


def run_preset(preset: Preset, folder: Path, seed: int, jobs: int = 1) -> int:
    """Run what has not finished yet, at most so many at a time; returns the exit code of the first that failed."""
    play = _Play(preset, folder, seed, jobs)
    before = {signum: signal.signal(signum, play.request_stop) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        play.to_end()
    finally:
        play.screen.close()
        for signum, handler in before.items():
            signal.signal(signum, handler)
    print(f"\n{report(preset, folder)}", flush=True)
    for line in play.summary():
        print(line, file=sys.stderr if play.code else sys.stdout, flush=True)
    return play.code


def resolve(planned: PlannedRun, folder: Path, seed: int) -> StageConfig:
    """A planned run's config, with references replaced by what the earlier runs in the folder produced."""
    return planned.resolve(seed, lambda name, what: product(RunDir(folder / name), what))


def finished(run: RunDir) -> Event | None:
    """The event that ended the run well, or None."""
    return next((event for event in read_events(run.events) if event.type == EventType.FINISHED), None)


class _Play:
    """The runs of one plan on their way."""

    def __init__(self, preset: Preset, folder: Path, seed: int, jobs: int) -> None:
        self.folder, self.seed, self.jobs = folder, seed, jobs
        self.code = EXIT_FINISHED
        self._numbers = {
            planned.name: f"[{number}/{len(preset.runs)}]" for number, planned in enumerate(preset.runs, 1)
        }
        self._waiting = list(preset.runs)
        self._running: list[RunProcess] = []
        self._finished: set[str] = set()
        self._failed: dict[str, str] = {}
        self._skipped: dict[str, str] = {}
        self._is_stopping = False
        self._suite = SuiteProgress({planned.name: planned.stage for planned in preset.runs}, jobs)
        self.screen = Screen(self._line, sys.stdout)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Signal handler: start nothing more, and let the stages write their checkpoints and stop."""
        self._is_stopping = True

    def _line(self) -> str:
        running = list(self._running)
        lines = [f"{self._numbers[process.name]} {process.line()}" for process in running]
        return "; ".join([*lines, self._suite.line({process.name: process.times() for process in running})])

    def to_end(self) -> None:
        """Go on until nothing runs and nothing can start."""
        try:
            while self._start():
                time.sleep(POLL_SECONDS)
                self._look()
        finally:
            self._stop_all()
        if self._is_stopping:
            self.code = EXIT_STOPPED

    def summary(self) -> Iterator[str]:
        """How many have finished, what failed and what did not run."""
        yield f"{len(self._finished)} of {len(self._numbers)} runs have finished."
        yield from (f"failed: {name}: {why}" for name, why in self._failed.items())
        yield from (f"skipped: {name}: {why}" for name, why in self._skipped.items())
        if self.code:
            yield "Repeat the command to run what is missing."

    def _start(self) -> bool:
        """Start what can start, in the plan's order, and skip what cannot any more; False when nothing runs."""
        if self._is_stopping:
            self._stop_all()
            return bool(self._running)
        for planned in list(self._waiting):
            lost = sorted(name for name in planned.needs() if name in self._failed or name in self._skipped)
            if lost:
                self._waiting.remove(planned)
                self._skipped[planned.name] = f"it needs {', '.join(lost)}"
                self._suite.over(planned.name)
            elif planned.needs() <= self._finished and len(self._running) < self.jobs:
                self._waiting.remove(planned)
                self._start_one(planned)
        return bool(self._running)

    def _start_one(self, planned: PlannedRun) -> None:
        run = RunDir(self.folder / planned.name)
        self.screen.keep(f"{self._numbers[planned.name]} {planned.name}: {planned.title}")
        try:
            _prepare(run, resolve(planned, self.folder, self.seed))
        except (UserError, ValidationError) as error:
            self._note_failure(planned.name, _in_words(planned, error), EXIT_FAILED)
            self.screen.keep(f"    {planned.name}: {self._failed[planned.name]}", sys.stderr)
            return
        if finished(run) is not None:
            self.screen.keep(f"    {planned.name}: finished earlier")
            self._finished.add(planned.name)
            self._suite.over(planned.name)
            return
        self._running.append(RunProcess(planned.name, planned.stage, run))

    def _look(self) -> None:
        for process in list(self._running):
            code = process.poll()
            if code is None:
                continue
            self._running.remove(process)
            why = process.conclude(code, self._is_stopping, self.screen.keep)
            self._suite.over(process.name, process.times()[0])
            if code == EXIT_FINISHED:
                self._finished.add(process.name)
            elif not self._is_stopping:
                self._note_failure(process.name, why, code)

    def _stop_all(self) -> None:
        for process in self._running:
            process.stop()

    def _note_failure(self, name: str, why: str, code: int) -> None:
        self._failed[name] = why
        self.code = self.code or code
        self._suite.over(name)


def _prepare(run: RunDir, config: StageConfig) -> None:
    """Write the config; a folder that holds a different run is left alone."""
    if run.config.exists() and run.read_config(config.stage) != config:
        raise UserError(
            f"{run.path} holds a run with another config (another seed or preset?). Choose an empty folder, "
            "or delete this one to start over."
        )
    if not run.config.exists():
        run.create(config)


def _in_words(planned: PlannedRun, error: UserError | ValidationError) -> str:
    if isinstance(error, UserError):
        return str(error)
    return f"its config does not fit stage {planned.stage}:{in_lines(with_given(error, STAGES[planned.stage]))}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rpt_core preset", description=__doc__)
    parser.add_argument("name", help=f"one of {', '.join(preset_names())}, or a YAML file of the same form")
    parser.add_argument("folder", type=Path, help="folder of the runs, one folder each")
    seeds = parser.add_mutually_exclusive_group()
    seeds.add_argument("--seed", type=int, help="run the plan once, with this seed (default: 0, or the preset's seeds)")
    seeds.add_argument("--seeds", type=_seeds, help="run it once with each of these, for example 0,1,2")
    parser.add_argument("--jobs", type=_jobs, default=1, help="how many to run at a time (default: 1)")
    parser.add_argument(
        "--anyway", action="store_true", help="start even if something that the preset needs is missing"
    )
    return parser


def _seeds(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} are not seeds; give whole numbers such as 0,1,2") from None


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of jobs; give 1 or more")
    return int(text)
