"""What is set up for pre-flight's tests."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture
def program(settings, tmp_path):
    """program(code) makes pre-flight's process one of ours."""

    def program(code: str) -> None:
        file = tmp_path / "program.py"
        file.write_text(code)
        settings.RPT_STAGE_COMMAND = [sys.executable, str(file)]

    return program
