"""Models that were trained with several seeds, compared seed by seed: the noise of training beside that of positions.

In: groups of evaluations, one for each seed, the first group the baseline. Out: each group's accuracy, and its
difference from the baseline's where both have the same seeds. Student's t over seeds is the honest interval of
training, wide with few seeds; the hierarchical bootstrap draws seeds and within them documents, too narrow with few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rpt_core.analysis.aligned import Aligned, Positions
from rpt_core.analysis.side_by_side import MatchedPair, match
from rpt_core.arrays import Doubles
from rpt_core.run.tables import Estimate
from rpt_core.statistics.hierarchical import hierarchical_mean
from rpt_core.statistics.seeds import DIFFERENCES, SHARES, across_seeds


@dataclass(frozen=True)
class SeedGroup:
    """Evaluations of one model that was trained with several seeds."""

    title: str
    places: tuple[int, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class SeedDifference:
    """A group against the baseline's group, seed by seed."""

    seeds: tuple[int, ...]
    value: float
    low: float | None
    high: float | None
    """Student's t over the seeds."""
    bootstrap_low: float | None
    bootstrap_high: float | None
    """Seeds drawn, and within them documents."""
    each: tuple[float, ...]


@dataclass(frozen=True)
class ComparedGroup:
    """A group at one difficulty."""

    title: str
    places: tuple[int, ...]
    seeds: int
    value: float
    low: float | None
    high: float | None
    """Student's t over the seeds; None with one."""
    difference: SeedDifference | None
    """None for the baseline, and without two common seeds."""


def seed_groups_compared(
    groups: Sequence[SeedGroup],
    evaluations: Sequence[Aligned],
    level: str,
    positions: Positions,
    seed: int,
    resamples: int,
) -> list[ComparedGroup]:
    """Each group that has positions of the level, in the order given."""
    found = []
    for group in groups:
        own = [evaluations[place] for place in group.places if level in evaluations[place].levels()]
        mean = across_seeds([float(one.value[one.members[level]].mean()) for one in own], SHARES)
        if mean is None:
            continue
        pairs = [] if group is groups[0] else _pairs(groups[0], group, evaluations, level)
        difference = _difference(pairs, positions, seed, resamples) if len(pairs) > 1 else None
        found.append(ComparedGroup(group.title, group.places, len(own), mean.value, mean.low, mean.high, difference))
    return found


def _pairs(
    base: SeedGroup, group: SeedGroup, evaluations: Sequence[Aligned], level: str
) -> list[tuple[int, MatchedPair]]:
    """The pairs of both groups' evaluations of the same seed that have common positions of the level."""
    of_base = dict(zip(base.seeds, base.places, strict=True))
    found = []
    for seed, place in zip(group.seeds, group.places, strict=True):
        if seed in of_base:
            pair = match(evaluations[of_base[seed]], evaluations[place]).levels().get(level)
            found += [(seed, pair)] if pair is not None else []
    return found


def _difference(
    pairs: Sequence[tuple[int, MatchedPair]], positions: Positions, seed: int, resamples: int
) -> SeedDifference:
    values: list[Doubles] = [pair.b.value[pair.rows_b] - pair.a.value[pair.rows_a] for _, pair in pairs]
    documents = [[positions.document[place] for place in pair.places()] for _, pair in pairs]
    each = tuple(float(one.mean()) for one in values)
    over_seeds: Estimate | None = across_seeds(each, DIFFERENCES)
    assert over_seeds is not None
    drawn = hierarchical_mean(values, documents, seed, resamples)
    seeds = tuple(seed for seed, _ in pairs)
    return SeedDifference(seeds, over_seeds.value, over_seeds.low, over_seeds.high, drawn.low, drawn.high, each)
