"""Runs that differ in their seed alone: the repetitions of one model, whose spread is the noise of training.

In: runs, perhaps the mode in which each was evaluated. Out: groups of their places. Runs are alike when they are copies
of one run of their experiment's plan, or when their configs are the same but for seeds. Pure functions.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rpt_web.runs.models import Run

SEEDS = frozenset({"seed"})


def seed_groups(runs: Sequence[Run], modes: Sequence[str] = ()) -> list[tuple[str, list[int]]]:
    """Groups in the order of their first run: a title, and places in the order given. A seed stands once in each.

    modes: one for each run; a group has one mode alone.
    """
    found: dict[object, tuple[str, list[int]]] = {}
    times: Counter[object] = Counter()
    for place, run in enumerate(runs):
        key = (_key(run), modes[place] if modes else "")
        times[key, seed_of(run)] += 1
        found.setdefault((key, times[key, seed_of(run)]), (run.plain_name, []))[1].append(place)
    return list(found.values())


def seed_of(run: Run) -> int:
    """The seed that tells it from the others of its group."""
    return run.seed if run.copy_seed is None else run.copy_seed


def _key(run: Run) -> object:
    if run.copy_seed is not None:
        return run.experiment_id, run.plain_name
    return run.stage, json.dumps(_without_seeds(run.config or run.plan), sort_keys=True)


def _without_seeds(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_seeds(item) for name, item in value.items() if name not in SEEDS}
    return [_without_seeds(item) for item in value] if isinstance(value, list) else value
