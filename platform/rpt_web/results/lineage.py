"""Where a run's model comes from: the policy it starts from, its seed in a suite, the run whose compute it was given.

In: rows of `Run`, with their configs. Out: plain data; no queries.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

from rpt_web.runs.models import Run

Policy = tuple[int, int] | str
"""A run and the step of its checkpoint, or where any other model lies."""
SAME_COMPUTE = 0.02
"""Computes that differ by a larger share are not called the same."""
NEAR_BUDGET = 0.1
"""FLOPs that somebody typed are those of a run that has spent no other share than this more or less."""
_CHECKPOINT = re.compile(r"/runs/(\d+)/checkpoints/step-(\d+)/?$")
_FOLDER = re.compile(r"/runs/(\d+)/?$")
_SEED = re.compile(r"^s(-?\d{1,10})-")


def start(config: Mapping[str, Any]) -> Policy | None:
    """The policy that a config starts from; None for one from scratch, or that is not known yet."""
    path = (config.get("model") or {}).get("path", "")
    match = _CHECKPOINT.search(path)
    return (int(match[1]), int(match[2])) if match else path or None


def source_run(config: Mapping[str, Any], by_id: Mapping[int, Run]) -> Run | None:
    """The run of this experiment whose checkpoint a config starts from."""
    found = start(config)
    return by_id.get(found[0]) if isinstance(found, tuple) else None


def seed_in_name(run: Run) -> str:
    """The seed with which the name of a suite's run begins: "0" of `s0-rpt`, "" of `rpt`."""
    found = _SEED.match(run.name)
    return found[1] if found else ""


def seeds_in_words(seeds: Iterable[int]) -> str:
    """Seeds with their word, each once: "seed 0", "seeds 0, 1", "seeds 0 to 25"."""
    found = set(seeds)
    return f"seed{'s' if len(found) > 1 else ''} {listed(found)}"


def listed(numbers: Iterable[int]) -> str:
    """Numbers by size, each once, three or more that follow each other by their ends: "0 to 2, 5, 6"."""
    stretches: list[list[int]] = []
    for number in sorted(set(numbers)):
        if stretches and number == stretches[-1][-1] + 1:
            stretches[-1].append(number)
        else:
            stretches.append([number])
    parts = ([f"{s[0]} to {s[-1]}"] if len(s) > 2 else map(str, s) for s in stretches)
    return ", ".join(chain.from_iterable(parts))


def plain_name(run: Run) -> str:
    """The name that the copies of all seeds share: `rpt` of `s0-rpt`."""
    return _SEED.sub("", run.name)


def matched_run(run: Run, runs: Iterable[Run]) -> Run | None:
    """The run, of whatever stage, whose training compute is the budget of this one; None when it has no such budget.

    It is the one that `flops_of` names, or that the plan took the FLOPs of. For FLOPs that somebody typed it is the one
    from the same start that has spent nearly as many, and has no budget in FLOPs itself.
    """
    budget = run.config.get("budget") or {}
    if folder := budget.get("flops_of"):
        found = _FOLDER.search(folder)
        return next((other for other in runs if found and other.pk == int(found[1])), None)
    if not (asked := budget.get("flops")):
        return None
    others = [(other, abs(other.flops / asked - 1)) for other in runs if other.flops and other.pk != run.pk]
    needed = [(other, gap) for other, gap in others if other.name in run.needs]
    alike = [(other, gap) for other, gap in others if gap <= NEAR_BUDGET and _could_be_matched(other, run)]
    return min(needed or alike, key=lambda pair: (pair[1], pair[0].pk), default=(None, math.inf))[0]


def compute_ratio(flops: float | None, other: float | None) -> float | None:
    """One compute as a multiple of another; None when one of them is not known."""
    return flops / other if flops and other else None


def compute_words(ratio: float | None, name: str) -> str:
    """How the compute of a baseline stands to that of the run of that name, whose multiple it is."""
    if ratio is None:
        return f"compute beside “{name}” not known"
    if abs(ratio - 1) <= SAME_COMPUTE:
        return f"same compute as “{name}”"
    return f"compute {ratio:.3g} times that of “{name}”"


def _could_be_matched(other: Run, run: Run) -> bool:
    budget = other.config.get("budget") or {}
    is_matched_itself = bool(budget.get("flops") or budget.get("flops_of"))
    return not is_matched_itself and start(other.config) == start(run.config)
