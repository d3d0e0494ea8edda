"""`python -m rpt_core preflight STAGE CONFIG.json`: pre-flight on the terminal, or as JSON for a page."""

from __future__ import annotations

import argparse
import json
import resource
import sys
from pathlib import Path

from rpt_core.config import STAGES
from rpt_core.config.reading import read_values
from rpt_core.errors import UserError
from rpt_core.machine.hardware import all_hardware
from rpt_core.preflight import Cost, Report, check_values, hardware
from rpt_core.run.folder import RunDir

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
    parser.add_argument("--max-memory-gb", type=float, help="end when the check needs more memory (default: no limit)")
    parser.add_argument(
        "--also",
        nargs=2,
        action="append",
        default=[],
        metavar=("STAGE", "CONFIG"),
        help="look at another config, too; may be given several times, and --json then prints a list",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    if options.max_memory_gb is not None:
        _limit_memory(options.max_memory_gb)
    asked = [(options.stage, options.config), *((stage, Path(config)) for stage, config in options.also)]
    try:
        reports = [_report(stage, config, options) for stage, config in asked]
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_PROBLEMS
    except MemoryError:
        print(
            f"error: The check needs more than {options.max_memory_gb:g} GB of memory, its limit here. A record or a "
            "line of a file may be very long.",
            file=sys.stderr,
        )
        return EXIT_PROBLEMS
    if options.json:
        found = [report.as_json() for report in reports]
        print(json.dumps(found if options.also else found[0], ensure_ascii=False))
    else:
        print("\n\n".join(map(as_text, reports)))
    return EXIT_PROBLEMS if any(report.errors for report in reports) else EXIT_GOOD


def _report(stage: str, config: Path, options: argparse.Namespace) -> Report:
    if stage not in STAGES:
        raise UserError(f"There is no stage {stage!r}. The stages are: {', '.join(STAGES)}.")
    folder = options.folder or (config if config.is_dir() else Path.cwd())
    return check_values(stage, read_values(stage, _file(config)), hardware(options.hardware), folder)


def _limit_memory(gigabytes: float) -> None:
    """What this process may take for its data; what is only mapped, such as libraries, does not count."""
    limit = int(gigabytes * 1e9)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


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
    return "\n".join(lines) or "No problems were found."


def _estimate(estimate: Cost) -> str:
    return (
        f"{_duration(estimate.seconds)}, {estimate.flops:.2e} FLOPs, {estimate.tokens:,.0f} tokens, "
        f"{estimate.rollouts:,.0f} rollouts, {_size(estimate.disk_bytes)} on disk"
    )


def _size(size: float) -> str:
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.2f} GB"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 3600:.1f} h"
