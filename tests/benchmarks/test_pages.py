"""`benchmarks/pages.py` runs, knows every address, and measures each of them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from tests.databases import give_database

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("--responses", "2000", "--runs", "28", "--steps", "500", "--documents", "300", "--requests", "2")


@pytest.mark.slow
def test_every_page_and_list_is_measured_on_a_small_platform(tmp_path):
    report, kept = tmp_path / "pages.json", tmp_path / "kept"
    give_database(kept)
    command = [sys.executable, "benchmarks/pages.py", "--json", str(report), "--keep", str(kept), *SMALL]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    pages = json.loads(report.read_text())["figures"]["pages"]
    assert len(pages) > 40
    assert {"/", "/nodes/", "/api/v1/runs?limit=50"} <= {*pages}
    assert all(found["p95_ms"] >= found["p50_ms"] > 0 for found in pages.values())
    # On a full machine a request may have waited for all the time that the clock shows.
    assert all(found["p95_alone_ms"] >= found["p50_alone_ms"] >= 0 for found in pages.values())


def test_an_address_that_nobody_measures_is_named(monkeypatch, db):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import _addresses
    import _known

    known = _known.Known(*(1 for _ in fields(_known.Known)))
    assert _addresses.forgotten(known) == set()
    monkeypatch.delitem(_addresses.NOT_MEASURED, "logout/")
    assert _addresses.forgotten(known) == {"logout/"}
