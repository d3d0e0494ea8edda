"""The shell's way in.

python -m rpt_core STAGE RUN_DIR             runs a stage
python -m rpt_core preset NAME FOLDER        plays a plan of runs
python -m rpt_core preflight STAGE CONFIG    says what a run would need, and what would go wrong
python -m rpt_core model PATH                says what a model is, and what speaks against it
python -m rpt_core prompt RUN_DIR ...        shows a response's prompt in tokens
python -m rpt_core results FOLDER            makes a document of what a suite has found
python -m rpt_core doctor                    says what this machine can run, and what it lacks
python -m rpt_core COMMAND --help            says what that command takes
"""

from __future__ import annotations

import argparse
import atexit
import gc
import importlib
import importlib.util
import os
import shlex
import sys
from pathlib import Path

from rpt_core.machine import environments

_COMMANDS = {
    "preset": "rpt_core.plans.play",
    "preflight": "rpt_core.preflight.__main__",
    "model": "rpt_core.preflight.model_card",
    "prompt": "rpt_core.evaluation.shown_prompt",
    "results": "rpt_core.results_document",
    "doctor": "rpt_core.machine.doctor",
}
"""Each module has `main(arguments) -> exit code`. Imported only when needed."""
_NEEDED = ("pydantic", "yaml")
"""Packages without which no command can start."""


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and run; returns the exit code (0 finished, 1 bug, 2 bad input, 3 stopped)."""
    arguments = sys.argv[1:] if argv is None else argv
    if absent := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        print(f"error: {_wrong_python(absent, arguments)}", file=sys.stderr)
        return 2
    if arguments and arguments[0] in _COMMANDS:
        code: int = importlib.import_module(_COMMANDS[arguments[0]]).main(arguments[1:])
        return code
    return _run_stage(arguments)


def _wrong_python(absent: list[str], arguments: list[str]) -> str:
    names = () if environments.is_own() else (environments.PLAIN, *environments.ENGINES)
    python = environments.python_of(*names)
    remedy = f"Run: {python} -m rpt_core {shlex.join(arguments)}" if python else "Run first: make setup"
    return f"The Python that runs this, {sys.executable}, has no {' and no '.join(absent)}. {remedy}"


def _run_stage(arguments: list[str]) -> int:
    from rpt_core.config import STAGES
    from rpt_core.run.folder import RunDir
    from rpt_core.stages import run_stage

    parser = argparse.ArgumentParser(
        prog="python -m rpt_core",
        usage="python -m rpt_core STAGE RUN_DIR [--attempt N] [--allow-changed FIELD], or one of the commands below",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stage", metavar="STAGE", choices=STAGES, help=f"what to run: {', '.join(STAGES)}")
    parser.add_argument(
        "run_dir", metavar="RUN_DIR", help="folder with config.json; events, checkpoints and rollouts are written there"
    )
    parser.add_argument("--attempt", type=int, help="number of this attempt (default: one more than the last)")
    parser.add_argument(
        "--allow-changed",
        metavar="FIELD",
        action="append",
        default=[],
        help="continue from a checkpoint though this field of the config has changed since; may be given several times",
    )
    if arguments in ([], ["help"]):
        parser.print_help(sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    if not (arguments[0] in STAGES or arguments[0].startswith("-")):
        known = ", ".join([*STAGES, *_COMMANDS])
        print(f"error: There is no command {arguments[0]!r}. Allowed: {known}.", file=sys.stderr)
        return 2
    options = parser.parse_args(arguments)
    if Path(options.run_dir).is_file():
        parser.error(f"{options.run_dir} is a file. Name the run's folder; its config.json is read from there.")
    return run_stage(options.stage, RunDir(options.run_dir), options.attempt, options.allow_changed)


def _do_without_torch() -> None:
    """Hide torch from this process, so that transformers does not import it: that takes two thirds of the time of a
    command that reads only a model's config and tokenizer."""
    sys.modules["torch"] = None  # type: ignore[assignment]  # makes the import fail
    os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = "1"  # it would say that models are not available


if __name__ == "__main__":
    atexit.register(gc.freeze)  # skip the last collection: the process ends anyway
    if sys.argv[1:2] in (["preflight"], ["prompt"]):
        _do_without_torch()
    sys.exit(main())
