"""Stage `rpt`: reinforcement pre-training on the positions that a filter run kept.

In: an RptConfig, a policy, a filter run's positions. Out: checkpoints, rollouts of every step, evaluations on the way.
One step (section 3.3 of the paper): sample a group of responses for each problem, judge them by the prefix-matching
reward, turn rewards into advantages, take one on-policy optimiser step. Positions are drawn without replacement.

Deviations: groups of equal rewards have no advantage, so their forward pass is skipped, and the token mean is over the
other groups; when there is no other group, the step ends without an update.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rpt_core.config import GrpoConfig, RptConfig
from rpt_core.errors import UserError
from rpt_core.evaluation.next_token import Evaluator, warn_of_lost_positions
from rpt_core.events import EventType
from rpt_core.flops import sampling_flops, training_flops
from rpt_core.grpo import clipped_token_loss, group_advantages, live_groups
from rpt_core.problems import Problem, ProblemSet
from rpt_core.reward import Verdict, judge_response
from rpt_core.rollouts import Rollout
from rpt_core.rollouts.rows import rollout_rows
from rpt_core.rollouts.transformers import TransformersSampler
from rpt_core.seeds import derive_seed
from rpt_core.shards import write_rollouts
from rpt_core.stage import StageContext
from rpt_core.train.log_probs import target_log_probs
from rpt_core.train.loop import Limit, StepResult, TrainingLoop, load_trained


@dataclass(frozen=True)
class Batch:
    """One step's problems with their judged groups."""

    problems: list[Problem]
    groups: list[list[Rollout]]
    verdicts: list[list[Verdict]]
    rewards: Tensor
    """(problems, group size)"""
    advantages: Tensor
    """(problems, group size)"""

    def prompt_tokens(self) -> int:
        """Tokens of the prompts, each read once for its group."""
        return sum(len(problem.prompt_ids) for problem in self.problems)

    def response_tokens(self) -> int:
        """Generated tokens, end tokens included."""
        return sum(len(rollout.token_ids) for group in self.groups for rollout in group)


def run(config: RptConfig, context: StageContext) -> dict[str, Any]:
    """Train for the configured steps; returns steps, compute and the last mean reward for the `finished` event."""
    if config.sampling.temperature == 0:
        raise UserError("`sampling.temperature` is 0: all responses of a group would be equal. Use 0.8, for instance.")
    model, tokenizer = load_trained(context.run, config.model)
    problems = ProblemSet.load(config.positions, "train", tokenizer, config.prompt)
    kept = problems.kept()
    if not len(kept):
        raise UserError("The filter run kept no training positions. Run it with a lower threshold or a larger share.")
    loop = TrainingLoop(config, context, model, tokenizer, Limit(steps=config.steps))
    trainer = _Trainer(config, context, loop, problems, kept)
    loop.start()
    warn_of_lost_positions(context, problems)
    trainer.evaluate_if_due()
    loop.run(trainer.do_step, trainer.after_step)
    return {"steps": loop.step, "flops": loop.flops, "parameters": loop.matrix_parameters, "positions": len(kept)}


class ProblemOrder:
    """Which positions each step trains on: a new permutation each time all have been used."""

    def __init__(self, kept: Sequence[int] | np.ndarray[Any, Any], batch: int, seed: int) -> None:
        self._kept, self._batch, self._seed = np.asarray(kept), batch, seed
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def at(self, step: int) -> list[int]:
        """Indices of the positions of the step that follows `step` steps."""
        return [self._index(number) for number in range(step * self._batch, (step + 1) * self._batch)]

    def _index(self, number: int) -> int:
        epoch, place = divmod(number, len(self._kept))
        if epoch != self._epoch:
            random = np.random.default_rng(derive_seed(self._seed, "problem order", epoch))
            self._epoch, self._order = epoch, random.permutation(len(self._kept))
        return int(self._kept[self._order[place]])


class _Trainer:
    """The step of RPT, and the evaluations between steps."""

    def __init__(
        self, config: RptConfig, context: StageContext, loop: TrainingLoop, problems: ProblemSet, kept: Any
    ) -> None:
        self.config, self.context, self.loop, self.problems = config, context, loop, problems
        self.order = ProblemOrder(kept, config.batch_problems, config.seed)
        self.policy = loop.model
        if config.model.dtype != "float32":  # generating needs no float32 weights, and is faster without
            self.policy = copy.deepcopy(loop.model).to(getattr(torch, config.model.dtype))
        self.sampler = TransformersSampler(self.policy, loop.tokenizer, loop.stop_if_asked)
        self.evaluator: Evaluator | None = None
        if config.evaluation is not None and config.evaluate_at_steps:
            held_out = ProblemSet.load(config.evaluation.positions, "validation", loop.tokenizer, config.prompt)
            self.evaluator = Evaluator(
                context, self.policy, self.sampler, loop.tokenizer, held_out, config.evaluation, config.sampling
            )

    def do_step(self, step: int) -> StepResult:
        """Sample, judge, update, record."""
        began = time.perf_counter()
        problems = [self.problems.problem(i) for i in self.order.at(step)]
        seed = derive_seed(self.config.seed, "rollouts", step)
        prompts = [problem.prompt_ids for problem in problems]
        self.loop.progress("sampling responses")
        groups = self.sampler.sample(prompts, self.config.group_size, self.config.sampling, seed)
        sampled = time.perf_counter()
        batch = judge_groups(problems, groups, self.config.grpo)
        self.loop.progress("updating the policy")
        update, trained_tokens = self._update(batch)
        updated = time.perf_counter()
        self._record(step + 1, batch)
        parameters = self.loop.matrix_parameters
        flops = sampling_flops(parameters, batch.prompt_tokens(), batch.response_tokens())
        flops += training_flops(parameters, trained_tokens)
        seconds = {"seconds_sampling": sampled - began, "seconds_update": updated - sampled}
        values = {**batch_metrics(batch), **update, **seconds, "flops": flops}
        return StepResult(values, batch.prompt_tokens() + batch.response_tokens() + trained_tokens, flops)

    def after_step(self, step: int) -> None:
        """Evaluate when it is time to."""
        if step in self.config.evaluate_at_steps:
            self.loop.state["evaluation_due"] = True
        self.evaluate_if_due()

    def evaluate_if_due(self) -> None:
        """Run the evaluation of this step; one that a stop cuts short is done again after the resume."""
        at_start = self.loop.step == 0 and 0 in self.config.evaluate_at_steps
        if self.evaluator is None or not (at_start or self.loop.state.get("evaluation_due")):
            return
        self.evaluator.run(self.loop.step, self.loop.flops)
        self.loop.state.pop("evaluation_due", None)

    def _update(self, batch: Batch) -> tuple[dict[str, float], int]:
        """One optimiser step on the groups that have something to teach; returns metrics and trained tokens."""
        rows = live_rows(batch)
        if not rows:
            return {}, 0
        with self.loop.precision():
            metrics = accumulate_policy_loss(self.loop.model, rows, self.config.sampling.temperature, self.config.grpo)
        metrics |= self.loop.update()
        if self.policy is not self.loop.model:
            self.policy.load_state_dict(self.loop.model.state_dict())
        return metrics, sum(len(row.ids) for row in rows)

    def _record(self, step: int, batch: Batch) -> None:
        path = self.context.run.rollout_shard("train", step)
        rows = rollout_rows(step, batch.problems, batch.groups, batch.verdicts, batch.advantages.tolist())
        write_rollouts(path, rows)
        self.context.log.emit(
            EventType.ROLLOUTS, step=step, kind="train", shard=self.context.run.relative(path), rows=len(rows)
        )


def judge_groups(problems: list[Problem], groups: list[list[Rollout]], config: GrpoConfig) -> Batch:
    """Verdicts, rewards and advantages of a step's responses."""
    verdicts = [
        [judge_response(r.data, problem.completion, problem.boundaries, r.finish_reason == "stop") for r in group]
        for problem, group in zip(problems, groups, strict=True)
    ]
    rewards = torch.tensor([[verdict.reward for verdict in group] for group in verdicts])
    return Batch(problems, groups, verdicts, rewards, group_advantages(rewards, config.normalise))


@dataclass(frozen=True)
class PolicyRow:
    """One response to learn from."""

    ids: list[int]
    """Prompt and response."""
    start: int
    """Index of the response's first token."""
    advantage: float
    log_probs: list[float]
    """As the sampler had them."""


def live_rows(batch: Batch) -> list[PolicyRow]:
    """The responses of groups whose rewards differ."""
    advantages = batch.advantages.tolist()
    rows = []
    for n in live_groups(batch.rewards).nonzero()[:, 0].tolist():
        prompt = batch.problems[n].prompt_ids
        rows += [
            PolicyRow([*prompt, *rollout.token_ids], len(prompt), advantage, rollout.log_probs)
            for rollout, advantage in zip(batch.groups[n], advantages[n], strict=True)
        ]
    return rows


def accumulate_policy_loss(
    model: Any, rows: list[PolicyRow], temperature: float, config: GrpoConfig
) -> dict[str, float]:
    """Add the gradient of the clipped token-mean loss; returns it, and how far sampler and trainer are apart.

    The responses come from these very weights, so the old log-probs are the new ones, detached.
    """
    rows = sorted(rows, key=lambda row: len(row.ids))
    total_tokens = sum(len(row.log_probs) for row in rows)
    loss, gap = 0.0, 0.0
    for start in range(0, len(rows), config.batch_rows):
        part = rows[start : start + config.batch_rows]
        log_probs = target_log_probs(model, [row.ids for row in part], [row.start for row in part], temperature)
        lengths = torch.tensor([len(row.log_probs) for row in part])
        advantages = torch.tensor([row.advantage for row in part]).repeat_interleave(lengths).to(log_probs.device)
        old = log_probs.detach()
        mean = clipped_token_loss(
            log_probs, old, advantages, torch.ones_like(old, dtype=torch.bool), config.clip_low, config.clip_high
        )
        part_loss = mean * (len(old) / total_tokens)
        part_loss.backward()  # type: ignore[no-untyped-call]
        loss += part_loss.item()
        sampled = torch.tensor([value for row in part for value in row.log_probs], device=old.device)
        gap += float((sampled - old).abs().sum())
    return {"loss": loss, "sampler_log_prob_gap": gap / total_tokens}


def batch_metrics(batch: Batch) -> dict[str, float]:
    """What the responses of a step look like. A mean over nothing is left out."""
    rollouts = [rollout for group in batch.groups for rollout in group]
    verdicts = [verdict for group in batch.verdicts for verdict in group]
    predictions = [len(verdict.prediction) for verdict in verdicts if verdict.prediction is not None]
    n, tokens = len(rollouts), batch.response_tokens()
    values = {
        "reward_mean": float(batch.rewards.mean()),
        "share_boxed": len(predictions) / n,
        "share_matched": sum(verdict.reason == "match" for verdict in verdicts) / n,
        "share_cut": sum(rollout.finish_reason == "length" for rollout in rollouts) / n,
        "share_all_zero": float((batch.rewards.amax(1) == 0).float().mean()),
        "share_all_one": float((batch.rewards.amin(1) == 1).float().mean()),
        "response_tokens_mean": tokens / n,
        "mean_negative_log_prob": -sum(sum(rollout.log_probs) for rollout in rollouts) / tokens,
    }
    if predictions:
        values["predicted_bytes_mean"] = sum(predictions) / len(predictions)
    return values
