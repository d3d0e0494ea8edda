"""The rows of a demo's report, in the order and with the names in which the terminal, README and docs show them.

In: a report as `rpt_web.supervisor.demo.report` makes it, or as an older version has stored it. Out: (label, cells by
difficulty) of what it holds. Loads without Django's settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Cells = dict[str, dict[str, Any] | None]
ROWS = (
    ("standard", "standard (argmax, no thinking)"),
    ("reasoning_before", "reasoning before RPT"),
    ("reasoning_after", "reasoning after RPT"),
    ("standard_after", "standard after RPT"),
    ("reasoning_before_greedy", "reasoning before RPT, greedy"),
    ("reasoning_after_greedy", "reasoning after RPT, greedy"),
)
BASELINES = (
    ("ntp", "more-ntp", "ntp-eval", "continued NTP, same FLOPs"),
    ("sft", "more-sft", "sft-eval", "continued SFT, same FLOPs"),
    ("expert_responses", "expert-responses", "expert-responses-eval", "expert iteration, same number of responses"),
    ("expert_flops", "expert-flops", "expert-flops-eval", "expert iteration, same FLOPs"),
)
"""Key in the report, the run that trains, the run that measures it, what was done and for how much."""
LOST_FORMAT = "* Most of these responses have no box: the format is lost, and a missing answer counts as wrong."


def rows_of(report: Mapping[str, Any]) -> Iterator[tuple[str, Cells]]:
    """Every row that the report has, those of the baselines last."""
    for key, label in ROWS:
        if key in report["accuracy"]:
            yield label, report["accuracy"][key]
    for name, _, _, label in BASELINES:
        for mode, cells in report["baselines"].get(name, {}).items():
            name_of_mode, _, greedy = mode.partition("_")
            yield f"{name_of_mode} after {label}" + (", greedy" if greedy else ""), cells


def interval_text(cell: Mapping[str, Any] | None, missing: str = "-") -> str:
    """An accuracy in % with its interval: "27.0 [23.8, 30.4]"; a star where most responses have no box."""
    if cell is None:
        return missing
    lost = "*" if is_lost(cell) else ""
    return f"{100 * cell['value']:.1f}{lost} [{100 * cell['low']:.1f}, {100 * cell['high']:.1f}]"


def is_lost(cell: Mapping[str, Any]) -> bool:
    """Whether most of the responses behind a cell have no box; False where the report does not say."""
    share: float | None = cell.get("no_box")
    return share is not None and share > 0.5
