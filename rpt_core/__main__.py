"""The shell's way in: `python -m rpt_core STAGE RUN_DIR` runs a stage, `... preset NAME FOLDER` a plan of runs, and
`... preflight STAGE CONFIG` says what a run would need and what would go wrong."""

from __future__ import annotations

import argparse
import sys

from rpt_core.config import STAGES
from rpt_core.run_dir import RunDir


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and run; returns the exit code (0 finished, 1 bug, 2 bad input, 3 stopped)."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] == ["preset"]:
        from rpt_core import pipeline

        return pipeline.main(arguments[1:])
    if arguments[:1] == ["preflight"]:
        from rpt_core.preflight import __main__ as preflight

        return preflight.main(arguments[1:])
    return _run_stage(arguments)


def _run_stage(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m rpt_core", description=__doc__)
    parser.add_argument("stage", choices=STAGES, help="what to run")
    parser.add_argument("run_dir", help="folder with config.json; events, checkpoints and rollouts are written there")
    parser.add_argument("--attempt", type=int, help="number of this attempt (default: one more than the last)")
    options = parser.parse_args(arguments)
    from rpt_core.stage import run_stage

    return run_stage(options.stage, RunDir(options.run_dir), options.attempt)


if __name__ == "__main__":
    sys.exit(main())
