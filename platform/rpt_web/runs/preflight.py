"""Pre-flight of a config for the page and the API: a process of its own looks, since the web loads no tokenizer.

In: values for a stage's config, wrong ones too, and the name of the hardware. Out: the report of `rpt_core.preflight`
as plain data. It sees what this machine sees: models and data that only a node has are reported as missing here.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from rpt_core.errors import UserError

TIMEOUT_SECONDS = 90


def report(stage: str, values: Mapping[str, Any], hardware: str) -> dict[str, Any]:
    """Problems by field, memory, compute, hours, disk, the first prompt. Raises UserError when it cannot be made."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"
        path.write_text(json.dumps(values, default=str), encoding="utf-8")  # YAML knows dates, JSON does not
        command = [*settings.RPT_STAGE_COMMAND, "preflight", stage, str(path), "--json"]
        command += ["--hardware", hardware, "--folder", str(settings.RPT_DATA_DIR)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, cwd=settings.ROOT)
        except subprocess.TimeoutExpired:
            raise UserError(
                f"The check took longer than {TIMEOUT_SECONDS} s. Run it in a shell: "
                ".venv/bin/python -m rpt_core preflight STAGE CONFIG"
            ) from None
    if not done.stdout:
        raise UserError(done.stderr.strip().removeprefix("error: ") or "The check ended without an answer.")
    found: dict[str, Any] = json.loads(done.stdout)
    return found
