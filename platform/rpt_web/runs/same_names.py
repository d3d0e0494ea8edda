"""Runs that are shown beside each other under the same name: the number of each tells them apart.

In: what runs are called, by their numbers. Out: what to add to a name, `""` or ` #12`. Pages, the leaderboard's files
and comments write a run's number in the same way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping


def marks(names: Mapping[int, str]) -> dict[int, str]:
    """By run what stands behind its name; nothing where no other of these has the same one."""
    shown = Counter(names.values())
    return {run: f" #{run}" if shown[name] > 1 else "" for run, name in names.items()}
