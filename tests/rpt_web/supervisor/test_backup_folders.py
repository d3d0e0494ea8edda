"""A backup holds every folder that rows of the database name."""

from __future__ import annotations

import re
from pathlib import Path

from rpt_web.supervisor.backups import FOLDERS

PLATFORM = Path(__file__).parents[3] / "platform" / "rpt_web"


def test_each_folder_that_a_row_has_its_files_in_is_backed_up():
    named = {
        name for path in PLATFORM.rglob("models.py") for name in re.findall(r'RPT_DATA_DIR / "(\w+)"', path.read_text())
    }
    assert {"runs", "corpora"} <= named
    assert named <= set(FOLDERS)
