"""The program that runs the tiny stage, in place of `python -m rpt_core`: `tiny_program.py rpt RUN_DIR --attempt N`.

Each worker asks it at its start what is on this machine. The real answer takes two seconds and is tested by itself.
"""

from __future__ import annotations

import atexit
import gc
import sys


def run() -> int:
    from rpt_core import __main__ as shell
    from rpt_core import stages

    stages._MODULES["rpt"] = "tiny_stage"
    return shell.main()


if __name__ == "__main__":
    atexit.register(gc.freeze)  # as `rpt_core` does
    if sys.argv[1:] == ["doctor", "--json"]:
        print("[]")
    else:
        sys.exit(run())
