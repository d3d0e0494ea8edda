"""Where a run's model comes from, as its parents say: the policy it starts from, the run that it is a baseline of.

In: rows of `Run` with their parents (`runs.parents` decides these when a run is submitted). Out: plain data and words;
no queries where the parents were fetched with the runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain

from rpt_web.runs.models import BASELINE_ROLES, ParentRole, Run, RunParent

Policy = tuple[int, int] | str
"""A run and the step of its checkpoint, or where any other model lies."""
SAME_COMPUTE = 0.02
"""Computes that differ by a larger share are not called the same."""


def start(run: Run) -> Policy | None:
    """The policy that a run starts from; None for one from scratch, or that is not known yet."""
    return next((row.start for row in _parents(run) if row.role == ParentRole.START), None)


def source_run(run: Run, by_id: Mapping[int, Run]) -> Run | None:
    """The run of this experiment whose checkpoint a run starts from."""
    found = start(run)
    return by_id.get(found[0]) if isinstance(found, tuple) else None


def matched_run(run: Run, by_id: Mapping[int, Run]) -> Run | None:
    """The run of this experiment that a run is a baseline of; None when it is none."""
    found = (by_id.get(row.parent_id or 0) for row in _parents(run) if row.role in BASELINE_ROLES)
    return next(filter(None, found), None)


def has_as_many_responses(run: Run, other: Run) -> bool:
    """Whether a run is a baseline of another one that samples the same number of responses at the same positions."""
    return any((row.role, row.parent_id) == (ParentRole.RESPONSES, other.pk) for row in _parents(run))


def _parents(run: Run) -> Iterable[RunParent]:
    """As they were fetched with the run, or else by a query."""
    found: list[RunParent] | None = getattr(run, "known_parents", None)
    return run.parents.all() if found is None else found


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


def stage_label(stage: str) -> str:
    """A training stage as people write it."""
    return stage.replace("_", " ") if "_" in stage else stage.upper()


def compute_ratio(flops: float | None, other: float | None) -> float | None:
    """One compute as a multiple of another; None when one of them is not known."""
    return flops / other if flops and other else None


def compute_words(ratio: float | None, name: str) -> str:
    """How the compute of a baseline stands to that of the run of that name, whose multiple it is."""
    if ratio is None:
        return f"compute relative to “{name}” not known"
    if abs(ratio - 1) <= SAME_COMPUTE:
        return f"same compute as “{name}”"
    return f"compute {ratio:.3g} times that of “{name}”"
