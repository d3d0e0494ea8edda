"""What the demo found: the same numbers as a table for the terminal and as JSON.

In: the runs of one seed of a demo's experiment, by their names in the preset. Out: plain data, and lines. "Before" is
the evaluation of run `rpt` at step 0, "after" that of `rpt-eval`, or of the last step of `rpt` where a preset has no
such run. What was not measured is null in JSON and a dash in the table.
"""

from __future__ import annotations

import math
import os
import platform
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from rpt_core.config import DIFFICULTIES
from rpt_web.results.curves import fitted_curves
from rpt_web.results.models import Evaluation
from rpt_web.runs.models import Experiment, Run
from rpt_web.runs.services import code_version
from rpt_web.supervisor.demo.progress import run_seconds
from rpt_web.supervisor.demo.rows import BASELINES, LOST_FORMAT, Cells, interval_text, rows_of

PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "Django", "celery", "psycopg", "pyarrow")
LABEL_WIDTH = 68
CELL_WIDTH = 25


def build_report(experiment: Experiment, seed: int, runs: Mapping[str, Run]) -> dict[str, Any]:
    """Everything, ready for JSON."""
    rpt = runs["rpt"]
    before, after = _cells(rpt, last=False), _cells(runs.get("rpt-eval", rpt))
    base = runs["base"].result if "base" in runs else {}
    return {
        "accuracy": {
            "standard": before["standard"],
            "reasoning_before": before["sampled"],
            "reasoning_after": after["sampled"],
            "standard_after": after["standard"],
            "reasoning_before_greedy": before["greedy"],
            "reasoning_after_greedy": after["greedy"],
        },
        "probes": {name: _finite(base.get(f"probe_{name}")) for name in ("step", "copy")},
        "scaling": _scaling(rpt),
        "seconds": {name: _rounded(run_seconds(run)) for name, run in runs.items()},
        "seed": seed,
        "total_seconds": _rounded(_total_seconds(runs.values())),
        "baselines": {name: _baseline(runs[run]) for name, _, run, _ in BASELINES if run in runs},
        "flops": {name: _finite(run.flops) for name, run in runs.items() if run.flops},
        "preset": experiment.preset,
        "machine": machine(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
    }


def table(report: Mapping[str, Any]) -> list[str]:
    """The closing table with README's labels, probes, fits and seconds."""
    head = "".join(f"{difficulty:>{CELL_WIDTH}}" for difficulty in DIFFICULTIES)
    lines = ["Next-token accuracy at held-out positions in %, with 95 % interval and n", f"{'':{LABEL_WIDTH}}{head}"]
    lines += [_line(label, cells) for label, cells in rows_of(report)]
    if report["baselines"]:
        lines.append(_compute_line(report))
    if any("*" in line for line in lines):
        lines.append(LOST_FORMAT)
    return [*lines, "", *_probe_lines(report["probes"]), *_scaling_lines(report["scaling"]), _seconds_line(report)]


def machine() -> dict[str, Any]:
    """What it ran on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"system": f"{platform.system()} {platform.machine()}", "processor": _processor(), "cores": cores}


def versions() -> dict[str, str]:
    """Versions of what the numbers may depend on."""
    found = {"rpt-platform": code_version(), "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _cells(run: Run, last: bool = True) -> dict[str, Cells]:
    """By mode and difficulty: the cells of a run's last evaluation, or of the one before its first step."""
    rows = list(run.evaluations.all())
    step = (max if last else min)((row.step for row in rows), default=None)
    found = {(row.mode, row.difficulty): _cell(row) for row in rows if row.step == step and (last or step == 0)}
    return {
        mode: {difficulty: found.get((mode, difficulty)) for difficulty in DIFFICULTIES}
        for mode in ("standard", "sampled", "greedy")
    }


def _cell(row: Evaluation) -> dict[str, Any] | None:
    if not row.n:
        return None
    cell = {"value": row.value, "low": row.low, "high": row.high, "n": row.n}
    return cell if row.no_box is None else cell | {"no_box": row.no_box}


def _baseline(run: Run) -> dict[str, Cells]:
    cells = _cells(run)
    return {"standard": cells["standard"], "reasoning": cells["sampled"], "reasoning_greedy": cells["greedy"]}


def _scaling(run: Run) -> dict[str, dict[str, Any] | None]:
    found: dict[str, dict[str, Any] | None] = {}
    for curve in fitted_curves(run):
        fit = curve.fit
        found[curve.difficulty] = (
            {
                "A": _finite(fit.A),
                "alpha": fit.alpha,
                "p_star": fit.p_star,
                "r2": _finite(fit.r2),
                "at_bound": fit.at_bound,
                "p_star_low": fit.p_star_low,
                "p_star_high": fit.p_star_high,
                "points": [[row.step, row.flops, row.value, row.n] for row in curve.points],
                "remark": fit.remark(),
            }
            if fit
            else None
        )
    return found


def _compute_line(report: Mapping[str, Any]) -> str:
    """What the baselines are, and the compute of each."""
    flops, own = report["flops"], report["flops"].get("rpt")
    shares = [
        f"{label.partition(',')[0]} {flops[run] / own:.2f}"
        + (" (same number of responses)" if "responses" in label else "")
        for name, run, _, label in BASELINES
        if name in report["baselines"] and own and run in flops
    ]
    told = f" Their training FLOPs as a share of RPT's: {', '.join(shares)}." if shares else ""
    return f"The baselines continue from the model before RPT.{told}"


def _line(label: str, cells: Cells) -> str:
    return f"{label:{LABEL_WIDTH}}" + "".join(f"{_shown(cells[name]):>{CELL_WIDTH}}" for name in DIFFICULTIES)


def _shown(cell: Mapping[str, Any] | None) -> str:
    return interval_text(cell) if cell is None else f"{interval_text(cell)} n={cell['n']}"


def _probe_lines(probes: Mapping[str, float | None]) -> Iterable[str]:
    known = [f"{name} {value:.3f}" for name, value in probes.items() if value is not None]
    return [f"Skills of the base model on held-out solutions: {', '.join(known)}"] if known else []


def _scaling_lines(scaling: Mapping[str, Mapping[str, Any] | None]) -> Iterable[str]:
    for difficulty, fit in scaling.items():
        if fit is not None:
            r2 = "-" if fit["r2"] is None else f"{fit['r2']:.3f}"
            a = math.nan if fit["A"] is None else fit["A"]
            law = f"P(C) = {a:.3g} / C^{fit['alpha']:.3g} + {fit['p_star']:.3f}"
            yield f"Scaling, {difficulty}: {law}, R2 = {r2}; {fit['remark']}"


def _seconds_line(report: Mapping[str, Any]) -> str:
    parts = [f"{name} {'-' if value is None else format(value, '.0f')}" for name, value in report["seconds"].items()]
    total = report["total_seconds"]
    return (
        f"Seconds: {', '.join(parts)}; from the first start to the last end {'-' if total is None else f'{total:.0f}'}"
    )


def _total_seconds(runs: Iterable[Run]) -> float | None:
    """From the first start to the last end; runs that do not need each other overlap."""
    times = [(run.started_at, run.finished_at) for run in runs if run.started_at and run.finished_at]
    return (max(end for _, end in times) - min(start for start, _ in times)).total_seconds() if times else None


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _processor() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
