"""`python -m rpt_core preflight STAGE CONFIG.json`: pre-flight on the terminal, or as JSON for a page."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rpt_core.config import STAGES
from rpt_core.config.reading import read_values
from rpt_core.errors import UserError
from rpt_core.hardware import all_hardware
from rpt_core.preflight import Estimate, Report, check_values, hardware
from rpt_core.run_dir import RunDir

EXIT_GOOD, EXIT_PROBLEMS = 0, 2
PROMPT_CHARACTERS = 2000


def main(arguments: list[str]) -> int:
    """Check a config; returns 0, or 2 when the run would fail."""
    parser = argparse.ArgumentParser(prog="python -m rpt_core preflight", description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("config", type=Path, help="the stage's config as JSON, or the folder of a run")
    known = ", ".join(all_hardware())
    parser.add_argument("--hardware", default="cpu-2", help=f"estimate for one of {known} (default: cpu-2)")
    parser.add_argument(
        "--folder",
        type=Path,
        help="compare with the free space of the disk that this folder is on (default: the run's, or the current one)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    try:
        values = read_values(options.stage, _file(options.config))
        folder = options.folder or (options.config if options.config.is_dir() else Path.cwd())
        report = check_values(options.stage, values, hardware(options.hardware), folder)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_PROBLEMS
    print(json.dumps(report.as_json(), ensure_ascii=False) if options.json else as_text(report))
    return EXIT_PROBLEMS if report.errors else EXIT_GOOD


def _file(path: Path) -> Path:
    """The file with the config; a run's folder stands for its own."""
    if not path.is_dir():
        return path
    if not (file := RunDir(path).config).is_file():
        raise UserError(
            f"{path} is a folder, and holds no {file.name}. Name the file with the config, or a run's folder."
        )
    return file


def as_text(report: Report) -> str:
    """The report for a terminal."""
    lines = [": ".join(filter(None, (found.level, found.field, found.message))) for found in report.problems]
    if report.model is not None:
        model = report.model
        matrices = f"{model.matrix_parameters:,} of them in matrix products"
        lines.append(f"model: {model.parameters:,} parameters, {matrices}, {model.layers} layers")
    if report.memory is not None:
        lines.append(f"memory: about {report.memory.total / 1e9:.1f} GB of {report.hardware.memory_gb:g} GB")
    for label, estimate in (("typically", report.typical), ("at most", report.most)):
        if estimate is not None:
            lines.append(f"{label}: {_estimate(estimate)}")
    lines += report.notes
    if report.first_prompt is not None:
        text = report.first_prompt.text[:PROMPT_CHARACTERS]
        lines.append(f"first prompt, {report.first_prompt.tokens} tokens:\n{text}")
    return "\n".join(lines) or "Nothing to say against it."


def _estimate(estimate: Estimate) -> str:
    return (
        f"{_duration(estimate.seconds)}, {estimate.flops:.2e} FLOPs, {estimate.tokens:,.0f} tokens, "
        f"{estimate.rollouts:,.0f} rollouts, {estimate.disk_bytes / 1e9:.2f} GB on disk"
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 3600:.1f} h"
