"""Settings that cannot be used end a command with one sentence, not with a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("RPT_DATA_DIR", "/proc/nowhere", "The data folder /proc/nowhere cannot be used: No such file or directory"),
        ("RPT_LEASE_SECONDS", "soon", "RPT_LEASE_SECONDS='soon' is not allowed. Give a whole number from 2 to 3600."),
        ("REDIS_URL", "http://here", "REDIS_URL='http://here' is not usable. Allowed: redis://, rediss://, unix://"),
    ],
)
def test_a_setting_that_cannot_be_used_is_told_in_one_sentence(name, value, words):
    command = [sys.executable, ROOT / "manage.py", "check"]
    done = subprocess.run(command, env={**os.environ, name: value}, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f"manage.py: {words}")
    assert done.stderr.count("\n") == 1
