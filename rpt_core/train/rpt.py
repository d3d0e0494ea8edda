"""Stage `rpt`: reinforcement pre-training on the positions that a filter run kept.

In: an RptConfig, a policy, a filter run's positions. Out: checkpoints, rollouts of every step, the ledger of groups,
evaluations on the way. One step (section 3.3 of the paper): sample a group of responses for each problem, judge them by
Eq. 3, turn what they earn into advantages, update the policy. Positions are drawn without replacement. Metrics, compute
and shards cover all that was sampled, groups that dynamic sampling dropped included; those have no advantage.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from rpt_core.config import RptConfig
from rpt_core.errors import NotFiniteError
from rpt_core.problems.problem import Problem, ProblemSet
from rpt_core.rewards.kinds import make_reward
from rpt_core.run.context import StageContext
from rpt_core.train.batch import Batch, make_batch
from rpt_core.train.dynamic_sampling import GroupRewards, select_groups
from rpt_core.train.loop import StepResult, TrainingEnd, TrainingLoop, load_trained
from rpt_core.train.not_finite import sampled_rows
from rpt_core.train.on_positions import PositionTraining, load_positions
from rpt_core.train.policy_update import PolicyUpdate, UpdateResult
from rpt_core.train.reward_policy import LoopPolicy
from rpt_core.train.step_records import (
    group_records,
    record_responses,
    sampling_cost,
    step_metrics,
    used_advantages,
    waste_metrics,
)


def run(config: RptConfig, context: StageContext) -> dict[str, Any]:
    """Train for the configured steps; returns steps, compute and counts of positions for the `finished` event."""
    model, tokenizer = load_trained(context, config.model)
    problems = load_positions(config, tokenizer)
    loop = TrainingLoop(config, context, model, tokenizer, TrainingEnd(steps=config.steps))
    return _Trainer(config, context, loop, problems).train()


@dataclass
class _Drawn:
    """What a step has sampled so far."""

    indices: list[int] = field(default_factory=list)
    """Of the positions in the problem set, one for each group."""
    batches: list[Batch[Problem]] = field(default_factory=list)
    reward_flops: float = 0.0
    is_sampling: bool = False
    """One more batch has been drawn, and is being sampled or judged."""


class _Trainer(PositionTraining[RptConfig]):
    """The step of RPT."""

    def __init__(self, config: RptConfig, context: StageContext, loop: TrainingLoop, problems: ProblemSet) -> None:
        super().__init__(config, context, loop, problems)
        self.reward = make_reward(config.reward, LoopPolicy(loop, config.grpo.batch_rows))
        self.update = PolicyUpdate(config.grpo, loop, config.sampling, self.reward)

    def do_step(self, step: int) -> StepResult:
        """Sample, judge, update, record. The positions of a step that fails for a number count as drawn."""
        drawn = _Drawn()
        try:
            return self._do_step(step, drawn)
        except NotFiniteError:
            batches = len(drawn.batches) + 1 if drawn.is_sampling else len(drawn.batches)
            self.loop.state["drawn"] = self._drawn_before(step) + batches * self.config.batch_problems
            raise

    def _do_step(self, step: int, drawn: _Drawn) -> StepResult:
        began = time.perf_counter()
        sample_batch = partial(self._sample_batch, step, drawn)
        config = self.config
        selection = select_groups(sample_batch, config.dynamic_sampling, step + 1, config.batch_problems)
        everything = joined(drawn.batches)
        sampled_at = time.perf_counter()
        self.loop.progress("updating the policy")
        update = self._update(part_of(everything, selection.batch()))
        updated_at = time.perf_counter()
        used = set(selection.batch())
        is_used = [n in used for n in range(len(everything.groups))]
        record_responses(self.context, step + 1, everything, used_advantages(everything, is_used))
        records = group_records(drawn.indices, everything, selection)
        self.ledger.add(step + 1, records)
        self.loop.state["drawn"] = self._drawn_before(step) + len(drawn.indices)
        tokens = everything.prompt_tokens() + everything.response_tokens()
        parameters = self.loop.matrix_parameters
        flops = sampling_cost(records, parameters)[1] + drawn.reward_flops + update.flops
        seconds = {"seconds_sampling": sampled_at - began, "seconds_update": updated_at - sampled_at}
        waste = waste_metrics(records, selection, parameters)
        values = {**step_metrics(everything), **waste, **update.metrics, **seconds}
        return StepResult({**values, "flops": flops}, tokens + update.trained_tokens, flops, update.trained_tokens)

    def _drawn_before(self, step: int) -> int:
        """How many positions were drawn up to the end of `step`; more than its batches once some were replaced."""
        drawn: int = self.loop.state.get("drawn", step * self.config.batch_problems)
        return drawn

    def _sample_batch(self, step: int, drawn: _Drawn, number: int) -> GroupRewards:
        """Sample and judge one more batch of a step; returns its rewards."""
        config = self.config
        self.loop.progress("sampling responses" if number == 0 else f"sampling extra batch {number}")
        drawn.is_sampling = True
        found = self.sample(step, self._drawn_before(step) + len(drawn.indices), number)
        earned = self.reward.rewards(found.problems, found.groups, found.verdicts)
        at_hand = self.loop.at_hand
        at_hand.rows = partial(sampled_rows, found.problems, found.groups, earned)
        at_hand.flops += self.reward.flops
        batch = make_batch(found.problems, found.groups, found.verdicts, earned, config.grpo, config.sampling)
        drawn.indices += found.indices
        drawn.batches.append(batch)
        drawn.reward_flops += self.reward.flops
        drawn.is_sampling = False
        rewards: list[list[float]] = batch.rewards.tolist()
        return rewards

    def _update(self, batch: Batch[Problem]) -> UpdateResult:
        """Update the policy where the batch has something to teach, and everything that follows it."""
        self.loop.at_hand.rows = partial(sampled_rows, batch.problems, batch.groups, batch.rewards.tolist())
        try:
            return self.update.update(batch)
        finally:
            if self.update.made:
                self.reward.after_update()
                self.backend.follow(self.loop.model)


def joined(batches: Sequence[Batch[Problem]]) -> Batch[Problem]:
    """Several batches as one."""
    return Batch(
        [problem for batch in batches for problem in batch.problems],
        [group for batch in batches for group in batch.groups],
        [verdicts for batch in batches for verdicts in batch.verdicts],
        torch.cat([batch.rewards for batch in batches]),
        torch.cat([batch.advantages for batch in batches]),
    )


def part_of(batch: Batch[Problem], numbers: Sequence[int]) -> Batch[Problem]:
    """Some groups of a batch; advantages are a matter of each group alone."""
    return Batch(
        [batch.problems[n] for n in numbers],
        [batch.groups[n] for n in numbers],
        [batch.verdicts[n] for n in numbers],
        batch.rewards[numbers],
        batch.advantages[numbers],
    )
