"""The soak in short: a suite on a real platform, three kills at random, results and rows like those of no kill."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from django.conf import settings

from scripts.soak.sameness import timeless
from tests.databases import give_database

SOAK = [sys.executable, "-m", "scripts.soak", "--preset", "scripts/soak/short.yaml", "--kills-only"]


@pytest.fixture
def data_dir():
    """With a database that is migrated: tests of `up` begin without one. It stays where the soak fails."""
    folder = Path(tempfile.mkdtemp(prefix="rpt-soak-data-"))
    folder.chmod(0o755)
    give_database(folder)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_suite_under_three_kills_ends_like_an_undisturbed_one(data_dir):
    removed = ("DATABASE_URL", "REDIS_URL", "RPT_DATA_DIR", "RPT_READ_ROOTS", "RPT_HUB_MODELS")
    environment = {name: value for name, value in os.environ.items() if name not in removed}
    command = [*SOAK, "--kills", "3", "--seconds", "24", "--seed", "3", "--data-dir", str(data_dir)]
    done = subprocess.run(command, cwd=settings.ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "soak: 3 faults in " in done.stdout
    assert done.stdout.rstrip().endswith("soak: everything held")
    shutil.rmtree(data_dir)


def test_times_and_speeds_are_no_results():
    values = {"loss": 2.0, "tokens_per_second": 900.0, "seconds_update": 1.5, "nothing": None}
    assert Counter(timeless(values)) == {"loss": 2.0}
