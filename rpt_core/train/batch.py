"""A step's judged groups of responses: what the stages that sample hand to what learns from them.

In: problems (positions or questions), their groups of rollouts, verdicts, what each response earned. Out: a Judged with
rewards; for `rpt` and `rlvr` a Batch, with advantages too. Where over-long responses are punished, rewards say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from rpt_core.config import GrpoConfig, SamplingConfig
from rpt_core.errors import NotFiniteError
from rpt_core.inference.rollout import Asked, Rollout
from rpt_core.train.grpo import group_advantages, overlong_punishment
from rpt_core.verdict import Verdict

P = TypeVar("P", bound=Asked)


@dataclass(frozen=True)
class Judged(Generic[P]):
    """One step's problems with their judged groups."""

    problems: list[P]
    groups: list[list[Rollout]]
    verdicts: list[list[Verdict]]
    rewards: Tensor
    """(problems, group size)"""

    def prompt_tokens(self) -> int:
        """Tokens of the prompts, each read once for its group."""
        return sum(len(problem.prompt_ids) for problem in self.problems)

    def response_tokens(self) -> int:
        """Generated tokens, end tokens included."""
        return sum(len(rollout.token_ids) for group in self.groups for rollout in group)


@dataclass(frozen=True)
class Batch(Judged[P]):
    """The same with the advantages that the rewards make."""

    advantages: Tensor
    """(problems, group size)"""


def make_batch(
    problems: list[P],
    groups: list[list[Rollout]],
    verdicts: list[list[Verdict]],
    earned: Sequence[Sequence[float]],
    grpo: GrpoConfig,
    sampling: SamplingConfig,
) -> Batch[P]:
    """The batch of a step; `earned` is what a Reward gave each response.

    Raises NotFiniteError when a reward, or an advantage made of it, is not finite.
    """
    rewards = torch.tensor(earned) + length_punishment(groups, grpo, sampling)
    _check("the reward of a response", rewards)
    advantages = group_advantages(rewards, grpo.normalise)
    _check("the advantage of a response", advantages)
    return Batch(problems, groups, verdicts, rewards, advantages)


def _check(number: str, values: Tensor) -> None:
    bad = values[~values.isfinite()]
    if len(bad):
        raise NotFiniteError(number, float(bad[0]))


def length_punishment(groups: Sequence[Sequence[Rollout]], grpo: GrpoConfig, sampling: SamplingConfig) -> Tensor:
    """What each response's length adds to its reward, (problems, group size): 0 unless `grpo.overlong` is `soft`."""
    lengths = torch.tensor([[len(rollout.token_ids) for rollout in group] for group in groups])
    if grpo.overlong != "soft":
        return torch.zeros(lengths.shape)
    return overlong_punishment(lengths, sampling.max_response_tokens, grpo.overlong_buffer_tokens)
