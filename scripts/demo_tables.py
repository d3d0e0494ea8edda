#!/usr/bin/env python3
"""Write the tables of README.md and docs/tiny.md from the demo's stored reports, benchmarks/results/demo-seed-*.json.

Each table stands between `<!-- demo: NAME -->` and `<!-- end -->`; what is between them is replaced. Whoever has stored
new reports (`manage.py demo --seed S --no-serve --report benchmarks/results/demo-seed-S.json`) calls this afterwards;
seeds and rows follow from the reports. `--check` writes nothing and ends with 1 where a table is not that of the
reports.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]

from rpt_web.supervisor.demo.rows import ROWS, interval_text, is_lost, rows_of  # noqa: E402 - on the path from here

DOCUMENTS = ("README.md", "docs/tiny.md")
DIFFICULTIES = ("easy", "medium", "hard")
LOST = "\\* Most of these responses have no box: the format is lost, and a missing answer counts as wrong."
_BLOCK = re.compile(r"(<!-- demo: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
Reports = Sequence[dict[str, Any]]


def stored_reports(folder: Path = ROOT / "benchmarks" / "results") -> Reports:
    """All reports, by rising seed."""
    found = [json.loads(path.read_text()) for path in folder.glob("demo-seed-*.json")]
    return sorted(found, key=lambda report: report["seed"])


def accuracy(reports: Reports, difficulty: str) -> list[str]:
    """A row for each mode and model, a column for each seed."""
    by_seed = [dict(rows_of(report)) for report in reports]
    labels = dict.fromkeys(label for rows in by_seed for label in rows)
    cells = {label: [(rows.get(label) or {}).get(difficulty) for rows in by_seed] for label in labels}
    lines = [
        f"| {_bold(label)} | " + " | ".join(interval_text(cell, "–").replace("*", "\\*") for cell in found) + " |"
        for label, found in cells.items()
    ]
    lost = any(is_lost(cell) for found in cells.values() for cell in found if cell)
    return [*_head(difficulty, reports), *lines, *(["", LOST] if lost else [])]


def provenance(reports: Reports) -> list[str]:
    """Where and when each report was made, and at how many positions."""
    sizes = sorted({cell["n"] for report in reports for _, cells in rows_of(report) for cell in cells.values() if cell})
    lines = []
    for report in reports:
        machine, versions = report["machine"], report["versions"]
        cores = f"{machine['processor']}, {machine['cores']} cores"
        lines.append(
            f"| {report['seed']} | {report['date'][:10]} | {cores} | {versions['torch']} | {versions['rpt-platform']} |"
        )
    head = ["| seed | date | processor | torch | code |", "|---|---|---|---|---|"]
    return [f"n = {' to '.join(map(str, sizes))} held-out positions in every cell.", "", *head, *lines]


def probes(reports: Reports) -> list[str]:
    """The base model's skills."""
    parts = [f"seed {r['seed']} step {r['probes']['step']:.3f}, copy {r['probes']['copy']:.3f}" for r in reports]
    return [f"Probes after pre-training: {', '.join(parts)}."]


def scaling(reports: Reports) -> list[str]:
    """The fits, and how far the points determine them where the report says it."""
    lines = []
    for report in reports:
        for level in DIFFICULTIES:
            if (fit := report["scaling"].get(level)) is not None:
                a, r2 = (
                    "–" if fit[key] is None else format(fit[key], form) for key, form in (("A", ".1e"), ("r2", ".3f"))
                )
                numbers = f"{a} | {fit['alpha']:.2f} | {fit['p_star']:.3f} | {r2}"
                lines.append(f"| {report['seed']} | {level} | {numbers} | {fit.get('remark', 'not stored')} |")
    return [
        "| seed | difficulty | A | alpha | P* | R2 | how well the points determine P* |",
        "|---|---|---|---|---|---|---|",
        *lines,
    ]


def seconds(reports: Reports) -> list[str]:
    """How long each run took."""
    names = dict.fromkeys(name for report in reports for name in report["seconds"])
    rows = [(name, [report["seconds"].get(name) for report in reports]) for name in names]
    rows.append(("from the first start to the last end", [report.get("total_seconds") for report in reports]))
    lines = [
        f"| {name} | " + " | ".join("–" if s is None else f"{s:.0f}" for s in found) + " |" for name, found in rows
    ]
    return [*_head("seconds", reports), *lines]


BLOCKS: dict[str, Callable[[Reports], list[str]]] = {
    "hard": lambda reports: accuracy(reports, "hard"),
    "medium": lambda reports: accuracy(reports, "medium"),
    "easy": lambda reports: accuracy(reports, "easy"),
    "provenance": provenance,
    "probes": probes,
    "scaling": scaling,
    "seconds": seconds,
}


def with_tables(text: str, reports: Reports) -> str:
    """A document with its tables made again."""
    return _BLOCK.sub(lambda found: f"{found[1]}\n{chr(10).join(BLOCKS[found[2]](reports))}\n\n{found[3]}", text)


def main() -> int:
    """Write, or check; returns 1 when a document is not as the reports have it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check, reports, status = parser.parse_args().check, stored_reports(), 0
    for name in DOCUMENTS:
        path = ROOT / name
        text = path.read_text()
        if (made := with_tables(text, reports)) == text:
            continue
        print(f"{name}: {'not as the reports have it' if check else 'written'}")
        if check:
            status = 1
        else:
            path.write_text(made)
    return status


def _head(corner: str, reports: Reports) -> list[str]:
    return [
        f"| {corner} | " + " | ".join(f"seed {report['seed']}" for report in reports) + " |",
        "|---" * (len(reports) + 1) + "|",
    ]


def _bold(label: str) -> str:
    return f"**{label}**" if label == dict(ROWS)["reasoning_after"] else label


if __name__ == "__main__":
    raise SystemExit(main())
