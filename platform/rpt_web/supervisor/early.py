"""What must be known before Django reads its settings: the data folder given on the command line."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

COMMANDS = ("up", "demo")


def apply_data_dir(arguments: Sequence[str]) -> None:
    """Hand `--data-dir` of `manage.py up` and `demo` on to the settings, as RPT_DATA_DIR."""
    if len(arguments) < 2 or arguments[1] not in COMMANDS:
        return
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--data-dir", type=Path)
    given = parser.parse_known_args(arguments[2:])[0].data_dir
    if given is not None:
        os.environ["RPT_DATA_DIR"] = str(given.expanduser().absolute())
