"""Dynamic sampling: groups that teach nothing are dropped, and further batches are sampled to replace them.

In: a function that samples and judges one batch of problems. Out: a Selection, which says what becomes of each group of
the step. Section 3.3 of the paper uses it from step 500, after DAPO (arXiv 2503.14476). Loads without torch.

A group is dropped when its rewards are all equal, or when its pass rate, the share of responses with a reward above 0,
lies outside the configured band (both ends belong to it). The pass rate is meant for rewards that are 0 when wrong: a
dense reward passes nearly everything. Batches are always sampled whole. Live groups beyond the batch size are surplus:
the last ones drawn are not learnt from and not kept for the next step, which would make them off-policy. When the cap
of extra batches is reached, the step continues with the groups it has, or without an update when it has none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rpt_core.config import DynamicSamplingConfig
from rpt_core.train.ledger import Outcome
from rpt_core.train.monitors import is_all_one, is_all_zero

GroupRewards = Sequence[Sequence[float]]
"""Rewards of each group's responses."""


_DROPPED = (Outcome.ALL_ZERO, Outcome.ALL_ONE, Outcome.OUTSIDE_BAND)


@dataclass(frozen=True)
class Selection:
    """The groups of a step in the order in which they were sampled."""

    outcomes: list[Outcome]
    is_active: bool
    """Whether dynamic sampling was at work; otherwise all groups make the batch, equal rewards or not."""
    extra_batches: int = 0

    def batch(self) -> list[int]:
        """Numbers of the groups that make the step's batch."""
        return [n for n, outcome in enumerate(self.outcomes) if not self.is_active or outcome == Outcome.USED]

    def dropped(self) -> list[int]:
        """Numbers of the groups that were replaced by others, or would have been below the cap."""
        return [n for n, outcome in enumerate(self.outcomes) if self.is_active and outcome in _DROPPED]

    def metrics(self) -> dict[str, float]:
        """Counts of the step; none while dynamic sampling is not at work."""
        if not self.is_active:
            return {}
        return {
            "groups_sampled": len(self.outcomes),
            "dropped_all_zero": self.outcomes.count(Outcome.ALL_ZERO),
            "dropped_all_one": self.outcomes.count(Outcome.ALL_ONE),
            "dropped_band": self.outcomes.count(Outcome.OUTSIDE_BAND),
            "share_dropped": len(self.dropped()) / len(self.outcomes),
            "groups_surplus": self.outcomes.count(Outcome.SURPLUS),
            "extra_batches": self.extra_batches,
        }


def select_groups(
    sample_batch: Callable[[int], GroupRewards], config: DynamicSamplingConfig, step: int, batch_groups: int
) -> Selection:
    """Sample until the batch is full or the cap is reached.

    sample_batch: gets the number of the batch within the step, from 0, and returns its rewards. step: the number of the
    step that is being done, from 1.
    """
    is_active = config.from_step is not None and step >= config.from_step
    outcomes = [outcome_of(rewards, config, is_active) for rewards in sample_batch(0)]
    extra = 0
    while is_active and outcomes.count(Outcome.USED) < batch_groups and extra < config.max_extra_batches:
        extra += 1
        outcomes += [outcome_of(rewards, config, is_active) for rewards in sample_batch(extra)]
    return Selection(_without_surplus(outcomes, batch_groups), is_active, extra)


def outcome_of(rewards: Sequence[float], config: DynamicSamplingConfig, is_active: bool) -> Outcome:
    """What its rewards make of a group, whatever others there are. is_active: dynamic sampling is at work."""
    if is_all_zero(rewards):
        return Outcome.ALL_ZERO
    if is_all_one(rewards):
        return Outcome.ALL_ONE
    pass_rate = sum(reward > 0 for reward in rewards) / len(rewards)
    if is_active and not config.min_pass_rate <= pass_rate <= config.max_pass_rate:
        return Outcome.OUTSIDE_BAND
    return Outcome.USED


def _without_surplus(outcomes: list[Outcome], batch_groups: int) -> list[Outcome]:
    """The outcomes with the groups beyond the batch marked."""
    live = [n for n, outcome in enumerate(outcomes) if outcome == Outcome.USED]
    surplus = set(live[batch_groups:])
    return [Outcome.SURPLUS if n in surplus else outcome for n, outcome in enumerate(outcomes)]
