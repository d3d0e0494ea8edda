"""Runs a preset from the shell: its runs one after the other, each in a process of its own, and a table at the end.

In: a preset's name, a folder, a seed. Out: FOLDER/NAME for every run of the plan, progress and results on the terminal.
A run that has finished is not run again, and an interrupted one goes on from its newest checkpoint, so the same
command can be repeated. Loads without torch and numpy.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from pydantic import ValidationError

from rpt_core.config import StageConfig
from rpt_core.errors import UserError
from rpt_core.events import Event, EventType, read_events
from rpt_core.pipeline_report import report
from rpt_core.presets import PlannedRun, Preset, load_preset, preset_names
from rpt_core.run_dir import RunDir
from rpt_core.stage import EXIT_FAILED, EXIT_FINISHED, EXIT_STOPPED

POLL_SECONDS = 0.5


def main(arguments: list[str]) -> int:
    """Parse the command line, run the preset, print the table; returns the exit code of the first run that fails."""
    parser = argparse.ArgumentParser(prog="python -m rpt_core preset", description=__doc__)
    parser.add_argument("name", choices=preset_names(), help="which preset")
    parser.add_argument("folder", type=Path, help="folder of the runs, one folder each")
    parser.add_argument("--seed", type=int, default=0, help="seed of every run (default: 0)")
    options = parser.parse_args(arguments)
    try:
        preset = load_preset(options.name)
        return run_preset(preset, options.folder, options.seed)
    except (UserError, ValidationError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_FAILED


def run_preset(preset: Preset, folder: Path, seed: int) -> int:
    """Run what has not finished yet, in the plan's order; stops at the first run that does not succeed."""
    for number, planned in enumerate(preset.runs, start=1):
        run = RunDir(folder / planned.name)
        print(f"[{number}/{len(preset.runs)}] {planned.name}: {planned.title}", flush=True)
        _prepare(run, resolve(planned, folder, seed))
        if finished(run) is not None:
            print("    finished earlier", flush=True)
            continue
        code = _run(planned.stage, run)
        if code != EXIT_FINISHED:
            return code
    print(report(preset, folder), flush=True)
    return EXIT_FINISHED


def resolve(planned: PlannedRun, folder: Path, seed: int) -> StageConfig:
    """A planned run's config, with references replaced by what the earlier runs in the folder produced."""
    return planned.resolve(seed, lambda name, what: product(RunDir(folder / name), what))


def product(run: RunDir, what: str) -> str | float:
    """What later runs may refer to: a run's newest `checkpoint`, its `positions`, or the `flops` it spent."""
    if what == "checkpoint":
        newest = run.newest_checkpoint()
        if newest is None:
            raise UserError(f"{run.path} has no checkpoint. Run that stage to its end first.")
        return str(newest)
    if what == "positions":
        return str(run.positions)
    if what == "flops":
        return max((event.data["flops"] for event in read_events(run.events) if event.data.get("flops")), default=0.0)
    raise UserError(f"A plan refers to {what!r} of a run. It can refer to checkpoint, positions or flops.")


def finished(run: RunDir) -> Event | None:
    """The event that ended the run well, or None."""
    return next((event for event in read_events(run.events) if event.type == EventType.FINISHED), None)


def _prepare(run: RunDir, config: StageConfig) -> None:
    """Write the config; a folder that holds a different run is left alone."""
    if run.config.exists() and run.read_config(config.stage) != config:
        raise UserError(
            f"{run.path} holds a run with another config (another seed or preset?). Choose an empty folder, "
            "or delete this one to start it anew."
        )
    if not run.config.exists():
        run.create(config)


def _run(stage: str, run: RunDir) -> int:
    """Run a stage in its own process and show its events as they come. Ctrl-C stops the stage cleanly too."""
    start = time.monotonic()
    offset = run.events.stat().st_size if run.events.exists() else 0
    with run.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "rpt_core", stage, str(run.path)], stdout=log, stderr=subprocess.STDOUT
        )
        code = _follow(process, run, offset)
    if code == EXIT_FINISHED:
        print(f"    done in {time.monotonic() - start:.0f} s", flush=True)
    elif code == EXIT_STOPPED:
        print("    stopped; repeat the command to go on", flush=True)
    else:
        print(f"    failed (exit code {code}); the end of {run.log}:\n{_tail(run.log)}", file=sys.stderr, flush=True)
    return code


def _follow(process: subprocess.Popen[bytes], run: RunDir, offset: int) -> int:
    start, shown = time.monotonic(), 0.0
    while True:
        try:
            ended = process.poll() is not None
            last = None
            for event in read_events(run.events, offset):
                offset, last = event.end, _line(event) or last
            if last and (ended or time.monotonic() - shown > 10 * POLL_SECONDS):
                shown = time.monotonic()
                print(f"    {shown - start:4.0f} s  {last}", flush=True)
            if ended:
                return process.returncode
            time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            continue


def _line(event: Event) -> str | None:
    """An event in a few words; None for those that the terminal does not show."""
    data = event.data
    if event.type == EventType.PROGRESS:
        return f"{data['what']} {data['step']}/{data['total_steps'] or '?'}"
    if event.type == EventType.METRICS:
        values = (f"{name} {value:.4g}" for name, value in data["values"].items() if value is not None)
        return f"step {data['step']}: " + ", ".join(list(values)[:4])
    if event.type == EventType.FINISHED:
        return ", ".join(f"{name} {value}" for name, value in data["result"].items())
    return data["message"] if event.type in (EventType.LOG, EventType.FAILED) else None


def _tail(path: Path, lines: int = 15) -> str:
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
