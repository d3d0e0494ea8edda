"""The shell's way in.

python -m rpt_core STAGE RUN_DIR             runs a stage
python -m rpt_core preset NAME FOLDER        plays a plan of runs
python -m rpt_core preflight STAGE CONFIG    says what a run would need, and what would go wrong
python -m rpt_core results FOLDER            makes a document of what a suite has found
python -m rpt_core doctor                    says what this machine can run, and what it lacks
"""

from __future__ import annotations

import argparse
import importlib
import sys

from rpt_core.config import STAGES
from rpt_core.run_dir import RunDir

_COMMANDS = {
    "preset": "rpt_core.pipeline",
    "preflight": "rpt_core.preflight.__main__",
    "results": "rpt_core.results_document",
    "doctor": "rpt_core.doctor",
}
"""Each module has `main(arguments) -> exit code`. Imported only when needed."""


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and run; returns the exit code (0 finished, 1 bug, 2 bad input, 3 stopped)."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments and arguments[0] in _COMMANDS:
        code: int = importlib.import_module(_COMMANDS[arguments[0]]).main(arguments[1:])
        return code
    return _run_stage(arguments)


def _run_stage(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m rpt_core", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", choices=STAGES, help="what to run")
    parser.add_argument("run_dir", help="folder with config.json; events, checkpoints and rollouts are written there")
    parser.add_argument("--attempt", type=int, help="number of this attempt (default: one more than the last)")
    options = parser.parse_args(arguments)
    from rpt_core.stage import run_stage

    return run_stage(options.stage, RunDir(options.run_dir), options.attempt)


if __name__ == "__main__":
    sys.exit(main())
