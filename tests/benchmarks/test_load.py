"""`benchmarks/load.py` runs: a few at once are all answered, a few viewers all follow, and limits are kept exactly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.databases import give_database

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_few_callers_get_what_five_hundred_are_to_get(tmp_path):
    report, kept = tmp_path / "load.json", tmp_path / "kept"
    give_database(kept)
    few = ("--requests", "20", "--viewers", "70", "--seconds", "2", "--runs", "28")
    command = [sys.executable, "benchmarks/load.py", "--json", str(report), "--keep", str(kept), *few]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    figures = json.loads(report.read_text())["figures"]
    assert [found["statuses"] for found in figures["requests"].values()] == [{"200": 20}] * 3
    assert figures["viewers"]["statuses"] == {"200": 70}
    streams, requests = figures["limits"].values()
    assert streams == {"200": 40, "503": 20, "503 with Retry-After": 20}
    assert set(requests) == {"200", "503", "503 with Retry-After"}
    assert requests["503"] == requests["503 with Retry-After"]
