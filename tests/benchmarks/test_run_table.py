"""`benchmarks/run_table.py` runs, and asks for a hundred columns."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.databases import give_database

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_table_is_measured_with_a_few_runs(tmp_path):
    report, kept = tmp_path / "run_table.json", tmp_path / "kept"
    give_database(kept)
    command = [sys.executable, "benchmarks/run_table.py", "--json", str(report), "--runs", "12", "--requests", "2"]
    command += ["--keep", str(kept)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    figures = json.loads(report.read_text())["figures"]
    assert (figures["runs"], figures["columns"]) == (12, 100)
    assert all(found["p95_ms"] > 0 for found in figures["asked"].values())
