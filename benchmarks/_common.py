"""What the benchmarks share: the machine, timing, peak memory, a table on the terminal, a JSON file."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the option that every benchmark has."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return options


def machine() -> dict[str, Any]:
    """The processor, its cores that this process may use, and the versions that matter."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "torch": version("torch"),
        "transformers": version("transformers"),
    }


@dataclass(frozen=True)
class Timing:
    """Shortest times of one function."""

    seconds: float
    """On the clock."""
    cpu_seconds: float
    """Of processor time, all threads together: says more than the clock where others use the machine too."""


def best_times(functions: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Timing]:
    """The best of several rounds. The functions take turns, so that a busy moment of the machine hits them alike."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            clock, cpu = time.perf_counter(), time.process_time()
            function()
            times[name].append((time.perf_counter() - clock, time.process_time() - cpu))
    return {name: Timing(min(t for t, _ in found), min(c for _, c in found)) for name, found in times.items()}


def memory_mib() -> tuple[float, float]:
    """Memory of this process in MiB: now, and at its peak since it began (Linux)."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    now, peak = (int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return now, peak


def show(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on standard output."""
    first, *others = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    print(f"\n{title}")
    for label, *cells in (header, *rows):
        right = (cell.rjust(width) for cell, width in zip(cells, others, strict=True))
        print("  ".join(["", label.ljust(first), *right]))


def finish(name: str, figures: Mapping[str, Any], path: Path | None) -> None:
    """Write the figures, with the machine and the date, when a file was asked for."""
    if path is None:
        return
    date = datetime.now(UTC).isoformat(timespec="seconds")
    report = {"benchmark": name, "date": date, "machine": machine(), "figures": figures}
    from rpt_core.files import write_whole

    write_whole(path, (json.dumps(report, indent=2) + "\n").encode())
    print(f"\nwritten: {path}", file=sys.stderr)


def _cpu_model() -> str:
    """The processor's name as the system gives it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
