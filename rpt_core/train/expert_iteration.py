"""Stage `expert_iteration`: supervised training on the policy's own right responses, round after round. The simple
control for reinforcement pre-training: same positions, same samples, no advantages.

In: an ExpertIterationConfig, a policy, a filter run's positions. Out: checkpoints, rollouts of every round, the ledger,
evaluations on the way. A step is one round: sample a group of responses for each problem with the policy as it is, keep
the right ones (reward 1 by Eq. 3), each distinct one of a position once, and learn them given their prompts by
cross-entropy, all tokens up to the end token. Like RPT, every response that was sampled is counted and kept.

The idea is that of STaR (arXiv 2203.14465), RFT (arXiv 2308.01825) and ReST-EM (arXiv 2312.06585). Deviations: each
round continues from the last policy, where STaR and ReST-EM train the first model again; a round learns from its own
responses alone; there is no hint for positions that nothing solved, and no limit to the responses of a position but the
group. The loss is at temperature 1, whatever temperature sampled.

A round without a right response changes no weight, and a warning says so. A budget in tokens counts every response with
its prompt, as in `rlvr`: a policy that is never right comes to an end too.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from rpt_core.config import DynamicSamplingConfig, ExpertIterationConfig
from rpt_core.models.flops import training_flops
from rpt_core.run.context import StageContext
from rpt_core.run.events import EventType
from rpt_core.seeds import derive_seed
from rpt_core.train.batch import Judged
from rpt_core.train.dynamic_sampling import Selection, outcome_of
from rpt_core.train.loop import StepResult, TrainingLoop, load_trained
from rpt_core.train.on_positions import PositionTraining, Sampled, load_positions
from rpt_core.train.step_records import group_records, record_responses, sampling_cost, step_metrics
from rpt_core.train.supervised import Example, LengthBatches, learn, limit_of, told
from rpt_core.words import counted


def run(config: ExpertIterationConfig, context: StageContext) -> dict[str, Any]:
    """Train to the budget; returns steps, compute, counts of positions and responses for the `finished` event."""
    model, tokenizer = load_trained(context, config.model)
    problems = load_positions(config, tokenizer)
    limit = limit_of(config.budget, len(problems.kept()) / config.batch_problems)
    loop = TrainingLoop(config, context, model, tokenizer, limit)
    result = _Trainer(config, context, loop, problems).train()
    return {**result, "tokens": loop.tokens, "responses_learnt": loop.state.get("responses_learnt", 0)}


class _Trainer(PositionTraining[ExpertIterationConfig]):
    """The round of expert iteration."""

    lesson = "Right responses are learnt from, in groups that are all 1 too; a group that is all 0 teaches nothing."

    def do_step(self, step: int) -> StepResult:
        """Sample, judge, learn what was right, record."""
        began = time.perf_counter()
        self.loop.progress("sampling responses")
        sampled = self.sample(step, step * self.config.batch_problems)
        rewards = [[verdict.reward for verdict in group] for group in sampled.verdicts]
        batch = Judged(sampled.problems, sampled.groups, sampled.verdicts, torch.tensor(rewards))
        sampled_at = time.perf_counter()
        self.loop.progress("learning from right responses")
        right = right_examples(sampled)
        learnt = self._learn(right)
        seconds = {"seconds_sampling": sampled_at - began, "seconds_update": time.perf_counter() - sampled_at}
        record_responses(self.context, step + 1, batch, None)
        outcomes = [outcome_of(group, DynamicSamplingConfig(), is_active=False) for group in rewards]
        records = group_records(sampled.indices, batch, Selection(outcomes, is_active=False))
        self.ledger.add(step + 1, records)
        self.loop.state["responses_learnt"] = self.loop.state.get("responses_learnt", 0) + len(right)
        prompts, responses = batch.prompt_tokens(), batch.response_tokens()
        parameters = self.loop.matrix_parameters
        trained = self.config.passes * sum(len(example.ids) for example in right)
        flops = sampling_cost(records, parameters)[1] + training_flops(parameters, trained)
        values = {**step_metrics(batch), "responses_learnt": float(len(right)), **learnt, **seconds, "flops": flops}
        return StepResult(values, prompts + responses + trained, flops, prompts * self.config.group_size + responses)

    def _learn(self, right: Sequence[Example]) -> dict[str, float]:
        """The updates of a round; their metrics, none where there is nothing to learn from."""
        if not right:
            self._warn()
            return {}
        config, loop = self.config, self.loop
        order = LengthBatches(
            [len(example.ids) for example in right],
            config.batch_responses,
            derive_seed(config.seed, "right responses", loop.step),
        )
        loop.at_hand.rows = partial(told, loop.tokenizer, right)
        try:
            done = self._updates(right, order)
        finally:
            self.backend.follow(loop.model)  # those before one that fails for a number have been made
        means = {name: sum(values[name] for values in done) / len(done) for name in done[0]}
        return {**means, "updates": float(len(done))}

    def _updates(self, right: Sequence[Example], order: LengthBatches) -> list[dict[str, float]]:
        """Metrics of each update of a round."""
        config, loop = self.config, self.loop
        done = []
        for number in range(config.passes * order.per_epoch):
            rows = [right[i] for i in order.at(number)]
            tokens = sum(len(row.ids) for row in rows)
            loop.at_hand.add_update(tokens, training_flops(loop.matrix_parameters, tokens))
            done.append(learn(loop, rows, config.batch_tokens))
        return done

    def _warn(self) -> None:
        responses = counted(self.config.batch_problems * self.config.group_size, "response")
        message = (
            f"Step {self.loop.step + 1}: none of {responses} was right, so there was nothing to learn from. If this "
            "goes "
            "on, teach the model the response format first (sft), or choose easier positions."
        )
        self.context.log.emit(EventType.LOG, level="warning", message=message)


def right_examples(sampled: Sampled) -> list[Example]:
    """The right responses with their prompts; equal ones of a position, however often it was drawn, once."""
    found: dict[tuple[int, tuple[int, ...]], Example] = {}
    for index, problem, group, verdicts in zip(
        sampled.indices, sampled.problems, sampled.groups, sampled.verdicts, strict=True
    ):
        for rollout, verdict in zip(group, verdicts, strict=True):
            if verdict.reward == 1:
                example = Example([*problem.prompt_ids, *rollout.token_ids], len(problem.prompt_ids))
                found.setdefault((index, tuple(rollout.token_ids)), example)
    return list(found.values())
