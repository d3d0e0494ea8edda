"""Asking a policy to think: n responses at each position, judged and summarised. Used wherever accuracies are measured.

In: a sampler, problems, how many responses. Out: `Responses`: for each position how many were right, the majority vote,
the tokens spent. Three accuracies follow from them, each with a 95 % interval over positions:

- mean: the share of right responses (the paper's Random@1), estimated from all n;
- pass@k: whether one of k responses is right, by the unbiased estimator from n >= k (Chen et al. 2021);
- majority: the answer given most often is the position's answer. Answers are compared as predicted bytes; the first one
  seen wins a tie; responses without a box stand together as one answer, which is never right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from rpt_core.config import SamplingConfig
from rpt_core.inference.rollout import Asked, Rollout, Sampler
from rpt_core.problems.problem import Problem
from rpt_core.run.tables import Estimate
from rpt_core.seeds import derive_seed
from rpt_core.statistics.intervals import mean_interval, pass_at_k
from rpt_core.verdict import Verdict, judge_response

AfterBatch = Callable[[int], None]
"""Gets how many responses a batch has given."""


@dataclass(frozen=True)
class Responses:
    """Every position's responses with their verdicts, both as one list for each position."""

    groups: list[list[Rollout]]
    verdicts: list[list[Verdict]]

    @property
    def samples(self) -> int:
        """Responses for each position."""
        return len(self.groups[0])

    @cached_property
    def right(self) -> list[int]:
        """Right responses at each position."""
        return [sum(verdict.reward > 0 for verdict in group) for group in self.verdicts]

    @cached_property
    def means(self) -> list[float]:
        """Share of right responses at each position."""
        return [right / self.samples for right in self.right]

    @cached_property
    def no_box(self) -> list[float]:
        """Share of the responses at each position that have no box."""
        return [sum(verdict.prediction is None for verdict in group) / self.samples for group in self.verdicts]

    @cached_property
    def votes(self) -> list[Verdict]:
        """The verdict on the answer that most responses of a position give."""
        return [majority(group) for group in self.verdicts]

    @cached_property
    def majority(self) -> list[bool]:
        """Whether the majority's answer is right at each position."""
        return [vote.reward > 0 for vote in self.votes]

    @cached_property
    def tokens(self) -> list[float]:
        """Mean response tokens at each position."""
        return [sum(len(rollout.token_ids) for rollout in group) / self.samples for group in self.groups]

    def pass_at(self, k: int) -> list[float]:
        """For each position, the estimated probability that one of k responses is right."""
        return [pass_at_k(self.samples, right, k) for right in self.right]


def ask(
    sampler: Sampler,
    problems: Sequence[Problem],
    samples: int,
    sampling: SamplingConfig,
    seed: int,
    after_batch: AfterBatch | None = None,
) -> Responses:
    """Sample and judge `samples` responses for each problem; equal arguments give equal responses."""
    groups = respond(sampler, problems, samples, sampling, seed, after_batch)
    return Responses(groups, judge_groups(problems, groups))


def respond(
    sampler: Sampler,
    problems: Sequence[Asked],
    samples: int,
    sampling: SamplingConfig,
    seed: int,
    after_batch: AfterBatch | None = None,
) -> list[list[Rollout]]:
    """`samples` responses for each problem, in the order of the problems, sampled in batches of similar length."""
    order = sorted(range(len(problems)), key=lambda n: len(problems[n].prompt_ids))
    size = max(1, sampling.batch_rows // samples)
    found: dict[int, list[Rollout]] = {}
    for start in range(0, len(order), size):
        batch = order[start : start + size]
        prompts = [problems[n].prompt_ids for n in batch]
        groups = sampler.sample(prompts, samples, sampling, derive_seed(seed, "evaluation", start))
        found.update(zip(batch, groups, strict=True))
        if after_batch is not None:
            after_batch(samples * len(batch))
    return [found[n] for n in range(len(order))]


def judge_groups(problems: Sequence[Problem], groups: Sequence[Sequence[Rollout]]) -> list[list[Verdict]]:
    """Verdicts by the prefix-matching reward; a response cut by the length limit counts as one without a box."""
    return [
        [judge_response(r.data, problem.completion, problem.boundaries, r.finish_reason == "stop") for r in group]
        for problem, group in zip(problems, groups, strict=True)
    ]


def majority(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict on the most frequent prediction of a group."""
    # Counter keeps the order of first sight, and most_common is stable.
    winner = Counter(verdict.prediction for verdict in verdicts).most_common(1)[0][0]
    return next(verdict for verdict in verdicts if verdict.prediction == winner)


def estimate(values: Sequence[float], samples: int = 1) -> Estimate | None:
    """The mean of one value in [0, 1] for each position, with its interval; None without positions.

    samples: how many responses each value rests on.
    """
    if not values:
        return None
    low, high = mean_interval(values, samples)
    return Estimate(sum(values) / len(values), low, high, len(values))
