"""A step's judged groups of responses: what the stages `rpt` and `rlvr` hand to the update.

In: problems (positions or questions), their groups of rollouts, verdicts, what each response earned. Out: a Batch with
rewards and advantages. The punishment of over-long responses, when it is configured, is part of the rewards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from rpt_core.config import GrpoConfig, SamplingConfig
from rpt_core.grpo import group_advantages, overlong_punishment
from rpt_core.reward import Verdict
from rpt_core.rollouts import Asked, Rollout

P = TypeVar("P", bound=Asked)


@dataclass(frozen=True)
class Batch(Generic[P]):
    """One step's problems with their judged groups."""

    problems: list[P]
    groups: list[list[Rollout]]
    verdicts: list[list[Verdict]]
    rewards: Tensor
    """(problems, group size): what the advantages were made of."""
    advantages: Tensor
    """(problems, group size)"""

    def prompt_tokens(self) -> int:
        """Tokens of the prompts, each read once for its group."""
        return sum(len(problem.prompt_ids) for problem in self.problems)

    def response_tokens(self) -> int:
        """Generated tokens, end tokens included."""
        return sum(len(rollout.token_ids) for group in self.groups for rollout in group)


def make_batch(
    problems: list[P],
    groups: list[list[Rollout]],
    verdicts: list[list[Verdict]],
    earned: Sequence[Sequence[float]],
    grpo: GrpoConfig,
    sampling: SamplingConfig,
) -> Batch[P]:
    """The batch of a step; `earned` is what a Reward gave each response."""
    rewards = torch.tensor(earned) + length_punishment(groups, grpo, sampling)
    return Batch(problems, groups, verdicts, rewards, group_advantages(rewards, grpo.normalise))


def length_punishment(groups: Sequence[Sequence[Rollout]], grpo: GrpoConfig, sampling: SamplingConfig) -> Tensor:
    """What each response's length adds to its reward, (problems, group size): 0 unless `grpo.overlong` is `soft`."""
    lengths = torch.tensor([[len(rollout.token_ids) for rollout in group] for group in groups])
    if grpo.overlong != "soft":
        return torch.zeros(lengths.shape)
    return overlong_punishment(lengths, sampling.max_response_tokens, grpo.overlong_buffer_tokens)
