"""A step that verl has done, told as the plain loop tells its own.

In: a VerlStep, the run's problems, tokenizer and reward. Out: a shard of all responses with verdicts and reasons, which
verl's dump does not have and which are judged again from the tokens; entries of the ledger; metrics by our names where
the meaning is ours. Compute is counted from the tokens by the formula of `models.flops`: sampling, one pass for the old
log-probs, one for the reference when there is one, the update.

Two metrics are verl's alone: how far trainer and vLLM are apart in the probability of sampled tokens, mean and largest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rpt_core.config import RptConfig
from rpt_core.inference.rollout import Rollout
from rpt_core.models.flops import forward_flops, training_flops
from rpt_core.problems.problem import Problem, ProblemSet
from rpt_core.rewards.base import Reward
from rpt_core.run.context import StageContext
from rpt_core.run.events import EventType
from rpt_core.text.tokens import Tokenizer, token_bytes
from rpt_core.train.batch import Batch
from rpt_core.train.dynamic_sampling import Selection, outcome_of
from rpt_core.train.ledger import GroupRecord, Ledger, Outcome
from rpt_core.train.step_records import (
    group_records,
    judge,
    record_responses,
    sampling_cost,
    step_metrics,
    used_advantages,
    waste_metrics,
)
from rpt_core.verl_backend.settings import learning_rate
from rpt_core.verl_backend.traces import Trace, VerlStep
from rpt_core.words import counted

METRICS = {
    "actor/loss": "loss",
    "actor/grad_norm": "gradient_norm",
    "actor/entropy": "entropy_nats",
    "actor/kl_loss": "kl",
    "actor/pg_clipfrac": "share_clipped",
    "training/rollout_probs_diff_mean": "rollout_probability_gap_mean",
    "training/rollout_probs_diff_max": "rollout_probability_gap_max",
    "timing_s/gen": "seconds_sampling",
    "timing_s/step": "seconds",
}
"""verl's metrics that mean what ours of that name do."""
UPDATE_SECONDS = ("timing_s/old_log_prob", "timing_s/ref", "timing_s/adv", "timing_s/update_actor")
EPSILON = 1e-6
"""What verl adds to a group's standard deviation."""


@dataclass(frozen=True)
class Recorded:
    """What a step adds to a run."""

    values: dict[str, float]
    flops: float
    trained_tokens: int


class StepRecorder:
    """Records one step after the other."""

    def __init__(
        self,
        config: RptConfig,
        context: StageContext,
        problems: ProblemSet,
        tokenizer: Tokenizer,
        reward: Reward,
        parameters: int,
    ) -> None:
        """parameters: N of the FLOPs."""
        self.config, self.context, self.problems, self.tokenizer = config, context, problems, tokenizer
        self.reward, self.parameters = reward, parameters
        self.ledger = Ledger(problems.kept())

    def record(self, step: VerlStep) -> Recorded:
        """Write the step's shard, count its groups; returns its metrics and compute."""
        groups, batch = self.read(step)
        in_batch = [group[0].uid in {uid for uid, _ in step.rewards} for group in groups]
        self._compare(step, groups, batch)
        selection = self._selection(step, batch, in_batch)
        record_responses(self.context, step.step, batch, used_advantages(batch, in_batch))
        records = group_records([group[0].index for group in groups], batch, selection)
        self.ledger.add(step.step, records)
        trained = _tokens(batch, in_batch)
        flops = self._flops(records, trained)
        waste = waste_metrics(records, selection, self.parameters)
        values = {**step_metrics(batch), **waste, **translated(step.metrics), "flops": flops}
        values["learning_rate"] = learning_rate(self.config, step.step)  # verl reports that of the next step
        if "seconds" in values:
            tokens = batch.prompt_tokens() + batch.response_tokens() + trained
            values["tokens_per_second"] = tokens / values["seconds"]
        return Recorded(values, flops, trained)

    def read(self, step: VerlStep) -> tuple[list[list[Trace]], Batch[Problem]]:
        """The step's groups in the order of their draws, and the same judged, with verl's advantages."""
        groups = self._whole_groups(step)
        return groups, self._batch(groups)

    def _whole_groups(self, step: VerlStep) -> list[list[Trace]]:
        """The step's groups in the order of their draws; those that lack a response are told of and left out."""
        by_uid: dict[str, list[Trace]] = defaultdict(list)
        for trace in step.traces:
            by_uid[trace.uid].append(trace)
        groups = [sorted(group, key=lambda trace: trace.sample) for group in by_uid.values()]
        whole = [group for group in groups if len(group) == self.config.group_size]
        if len(whole) < len(groups):
            lacking = counted(len(groups) - len(whole), "group")
            message = f"Step {step.step}: {lacking} left out: they have no response, because vLLM failed."
            self.context.log.emit(EventType.LOG, level="warning", message=message)
        return sorted(whole, key=lambda group: group[0].draw)

    def _batch(self, groups: Sequence[Sequence[Trace]]) -> Batch[Problem]:
        problems = [self.problems.problem(group[0].index) for group in groups]
        rollouts = [[self._rollout(trace) for trace in group] for group in groups]
        verdicts = judge(problems, rollouts)
        rewards = torch.tensor(self.reward.rewards(problems, rollouts, verdicts))
        return Batch(problems, rollouts, verdicts, rewards, verl_advantages(rewards, self.config.grpo.normalise))

    def _rollout(self, trace: Trace) -> Rollout:
        ids = trace.token_ids[:-1] if trace.finished else trace.token_ids
        data = b"".join(token_bytes(self.tokenizer, ids, at_start=False))
        return Rollout(trace.token_ids, data, trace.log_probs, "stop" if trace.finished else "length")

    @staticmethod
    def _compare(step: VerlStep, groups: Sequence[Sequence[Trace]], batch: Batch[Problem]) -> None:
        """What verl learnt from must be what is recorded; anything else is a bug."""
        for group, rewards in zip(groups, batch.rewards.tolist(), strict=True):
            for trace, reward in zip(group, rewards, strict=True):
                learnt_from = step.rewards.get((trace.uid, trace.sample), reward)
                if abs(learnt_from - reward) > 1e-5:
                    raise RuntimeError(f"step {step.step}: verl learnt from {learnt_from}, but {trace} earns {reward}")

    def _selection(self, step: VerlStep, batch: Batch[Problem], in_batch: Sequence[bool]) -> Selection:
        dynamic = self.config.dynamic_sampling
        is_active = dynamic.from_step is not None and step.step >= dynamic.from_step
        outcomes = [outcome_of(rewards, dynamic, is_active) for rewards in batch.rewards.tolist()]
        outcomes = [
            Outcome.SURPLUS if outcome == Outcome.USED and not used else outcome
            for outcome, used in zip(outcomes, in_batch, strict=True)
        ]
        return Selection(outcomes, is_active, int(step.metrics.get("rpt/extra_batches", 0)))

    def _flops(self, records: Sequence[GroupRecord], trained: int) -> float:
        passes = 2 if self.config.grpo.kl_coefficient else 1
        _, sampling = sampling_cost(records, self.parameters)
        return sampling + passes * forward_flops(self.parameters, trained) + training_flops(self.parameters, trained)


def translated(metrics: dict[str, float]) -> dict[str, float]:
    """verl's metrics by our names; what verl did not report is left out."""
    values = {ours: metrics[theirs] for theirs, ours in METRICS.items() if theirs in metrics}
    seconds = [metrics[name] for name in UPDATE_SECONDS if name in metrics]
    return {**values, "seconds_update": sum(seconds)} if seconds else values


def verl_advantages(rewards: Tensor, normalise: str) -> Tensor:
    """Advantages as verl's GRPO has them, (problems, group size): its standard deviation is the sample's."""
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    return centred if normalise == "mean" else centred / (rewards.std(dim=1, keepdim=True) + EPSILON)


def _tokens(batch: Batch[Problem], in_batch: Sequence[bool]) -> int:
    """Tokens that verl's passes read of the batch: a prompt for each response."""
    return sum(
        len(problem.prompt_ids) + len(rollout.token_ids)
        for problem, group, used in zip(batch.problems, batch.groups, in_batch, strict=True)
        if used
        for rollout in group
    )
