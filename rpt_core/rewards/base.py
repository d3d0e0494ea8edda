"""What a reward is, and what it may ask of the policy. Nothing here knows models or training loops."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol, TypeAlias

from rpt_core.inference.rollout import Rollout
from rpt_core.problems.problem import Problem
from rpt_core.text.tokens import Tokenizer
from rpt_core.verdict import Verdict

Problems: TypeAlias = Sequence[Problem]
Groups: TypeAlias = Sequence[Sequence[Rollout]]
Verdicts: TypeAlias = Sequence[Sequence[Verdict]]


class Reward(ABC):
    """What the responses of a step earn."""

    flops: float = 0.0
    """Of the extra forward passes that the last `rewards` took."""

    @abstractmethod
    def rewards(self, problems: Problems, groups: Groups, verdicts: Verdicts) -> list[list[float]]:
        """What each response earns, in the order of problems and responses."""

    def credited_tokens(self, rollout: Rollout) -> int:
        """How many of a response's first tokens the reward depends on; the update learns from these alone."""
        return len(rollout.token_ids)

    def after_update(self) -> None:  # noqa: B027 - most rewards have nothing to do here
        """Called once after each step's update, with the policy's new weights in place."""


class Policy(Protocol):
    """A language model as rewards see it: probabilities of next tokens, without gradients, at temperature 1."""

    @property
    def tokenizer(self) -> Tokenizer:
        """The policy's."""
        ...

    def next_token_log_probs(
        self, contexts: Sequence[Sequence[int]], candidates: Sequence[Sequence[int]]
    ) -> list[list[float]]:
        """Natural log-probabilities of each context's candidates as its next token."""
        ...

    def forward_flops(self, tokens: int) -> float:
        """Compute of reading so many tokens."""
        ...

    def moving_average(self, decay: float) -> AveragedPolicy:
        """A model whose weights are the average of the policy's, from now on. Asked for at most once."""
        ...


class AveragedPolicy(Policy, Protocol):
    """The moving average of a policy."""

    def update(self) -> None:
        """Take the policy's present weights in: average = decay * average + (1 - decay) * policy."""
        ...
