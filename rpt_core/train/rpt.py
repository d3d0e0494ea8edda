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
from rpt_core.errors import UserError
from rpt_core.evaluation.held_out import warn_of_lost_positions
from rpt_core.evaluation.next_token import Evaluator
from rpt_core.events import EventType
from rpt_core.flops import sampling_flops
from rpt_core.ledger import GroupRecord, Ledger, ledger_tables, write_ledger, write_lists
from rpt_core.problems import Problem, ProblemSet
from rpt_core.result_tables import emit_table
from rpt_core.rewards import make_reward
from rpt_core.rollouts.backends import PolicyBackend, open_policy_backend
from rpt_core.rollouts.rows import rollout_rows
from rpt_core.seeds import derive_seed
from rpt_core.shards import write_rollouts
from rpt_core.stage import StageContext
from rpt_core.train.batch import Batch, make_batch
from rpt_core.train.dynamic_sampling import GroupRewards, Selection, select_groups
from rpt_core.train.loop import Limit, StepResult, TrainingLoop, load_trained, loaded_from
from rpt_core.train.policy_update import PolicyUpdate, UpdateResult
from rpt_core.train.problem_order import ProblemOrder
from rpt_core.train.reward_policy import LoopPolicy
from rpt_core.train.step_records import group_records, judge, step_metrics


def run(config: RptConfig, context: StageContext) -> dict[str, Any]:
    """Train for the configured steps; returns steps, compute and counts of positions for the `finished` event."""
    model, tokenizer = load_trained(context.run, config.model)
    problems = ProblemSet.load(config.positions, "train", tokenizer, config.prompt)
    if not len(problems.kept()):
        raise UserError("The filter run kept no training positions. Run it with a lower threshold or a larger share.")
    loop = TrainingLoop(config, context, model, tokenizer, Limit(steps=config.steps))
    trainer = _Trainer(config, context, loop, problems)
    loop.start()
    warn_of_lost_positions(context, problems)
    trainer.train()
    ledger = trainer.ledger
    return {
        "steps": loop.step,
        "flops": loop.flops,
        **loop.sizes,
        "positions": len(ledger.kept),
        "positions_tried": int(ledger.seen().sum()),
        "positions_never_solved": int(ledger.never_solved().sum()),
        "positions_always_solved": int(ledger.always_solved().sum()),
    }


@dataclass
class _Sampled:
    """What a step has sampled so far."""

    indices: list[int] = field(default_factory=list)
    """Of the positions in the problem set, one for each group."""
    batches: list[Batch[Problem]] = field(default_factory=list)
    reward_flops: float = 0.0


class _Trainer:
    """The step of RPT, and the evaluations between steps."""

    def __init__(self, config: RptConfig, context: StageContext, loop: TrainingLoop, problems: ProblemSet) -> None:
        self.config, self.context, self.loop, self.problems = config, context, loop, problems
        kept = problems.kept()
        entropies = problems.entropies[kept] if config.order == "easy_to_hard" else None
        self.order = ProblemOrder(kept, config.seed, entropies)
        self.ledger = Ledger(kept)
        # These tensors share the ledger's memory: a checkpoint holds its counts, and a resumed run gets them back.
        loop.keep("ledger", {name: torch.from_numpy(getattr(self.ledger, name)) for name in ("counts", "costs")})
        self.backend = self._open_backend()
        self.reward = make_reward(config.reward, LoopPolicy(loop, config.grpo.batch_rows))
        self.update = PolicyUpdate(config.grpo, loop, config.sampling, self.reward)
        self.evaluator = self._make_evaluator()

    def train(self) -> None:
        """All steps that are left, and what is written at the end."""
        write_ledger(self.context.run, self.ledger, self.problems)  # a crash may have left that of a later step
        self.evaluate_if_due()
        self.loop.run(self.do_step, self.after_step)
        write_lists(self.context.run, self.ledger, self.problems)
        for table in ledger_tables(self.ledger, self.loop.matrix_parameters, self.loop.step, self.config.seed):
            emit_table(self.context.run, self.context.log, table)

    def do_step(self, step: int) -> StepResult:
        """Sample, judge, update, record."""
        began = time.perf_counter()
        sampled = _Sampled()
        sample_batch = partial(self._sample_batch, step, sampled)
        config = self.config
        selection = select_groups(sample_batch, config.dynamic_sampling, step + 1, config.batch_problems)
        everything = joined(sampled.batches)
        sampled_at = time.perf_counter()
        self.loop.progress("updating the policy")
        update = self._update(part_of(everything, selection.batch()))
        updated_at = time.perf_counter()
        self._record(step + 1, everything, selection)
        records = group_records(sampled.indices, everything, selection)
        self.ledger.add(step + 1, records)
        self.loop.state["drawn"] = self._drawn(step) + len(sampled.indices)
        tokens = everything.prompt_tokens() + everything.response_tokens()
        flops = self._sampling_flops(records) + sampled.reward_flops + update.flops
        seconds = {"seconds_sampling": sampled_at - began, "seconds_update": updated_at - sampled_at}
        values = {**step_metrics(everything), **self._waste(records, selection), **update.metrics, **seconds}
        return StepResult({**values, "flops": flops}, tokens + update.trained_tokens, flops, update.trained_tokens)

    def after_step(self, step: int) -> None:
        """Write the ledger, evaluate when it is time to."""
        write_ledger(self.context.run, self.ledger, self.problems)
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

    def _drawn(self, step: int) -> int:
        """How many positions were drawn up to the end of `step`; more than its batches once some were replaced."""
        drawn: int = self.loop.state.get("drawn", step * self.config.batch_problems)
        return drawn

    def _sample_batch(self, step: int, sampled: _Sampled, number: int) -> GroupRewards:
        """Sample and judge one more batch of a step; returns its rewards."""
        config = self.config
        self.loop.progress("sampling responses" if number == 0 else f"sampling extra batch {number}")
        indices = self.order.draw(self._drawn(step) + len(sampled.indices), config.batch_problems)
        problems = [self.problems.problem(index) for index in indices]
        seed = derive_seed(config.seed, "rollouts", step, *([number] if number else []))
        prompts = [problem.prompt_ids for problem in problems]
        groups = self.backend.sample(prompts, config.group_size, config.sampling, seed)
        verdicts = judge(problems, groups)
        earned = self.reward.score(problems, groups, verdicts)
        batch = make_batch(problems, groups, verdicts, earned, config.grpo, config.sampling)
        sampled.indices += indices
        sampled.batches.append(batch)
        sampled.reward_flops += self.reward.flops
        rewards: list[list[float]] = batch.rewards.tolist()
        return rewards

    def _update(self, batch: Batch[Problem]) -> UpdateResult:
        """Update the policy where the batch has something to teach, and everything that follows it."""
        result = self.update.update(batch)
        if result.trained_tokens:
            self.reward.after_update()
            self.backend.follow(self.loop.model)
        return result

    def _record(self, step: int, batch: Batch[Problem], selection: Selection) -> None:
        path = self.context.run.rollout_shard("train", step)
        used, advantages = set(selection.batch()), batch.advantages.tolist()
        of_the_used = [advantages[n] if n in used else None for n in range(len(batch.groups))]
        rows = rollout_rows(step, batch.problems, batch.groups, batch.verdicts, of_the_used, batch.rewards.tolist())
        write_rollouts(path, rows)
        self.context.log.emit(
            EventType.ROLLOUTS, step=step, kind="train", shard=self.context.run.relative(path), rows=len(rows)
        )

    def _waste(self, records: Sequence[GroupRecord], selection: Selection) -> dict[str, float]:
        """Metrics of dynamic sampling, with what sampling the dropped groups has cost."""
        if not selection.is_active:
            return {}
        dropped = [record for record in records if record.is_dropped]
        tokens = sum(record.prompt_tokens + record.response_tokens for record in dropped)
        return {**selection.metrics(), "tokens_dropped": tokens, "flops_dropped": self._sampling_flops(dropped)}

    def _sampling_flops(self, records: Sequence[GroupRecord]) -> float:
        prompts, responses = (sum(getattr(r, name) for r in records) for name in ("prompt_tokens", "response_tokens"))
        return sampling_flops(self.loop.matrix_parameters, prompts, responses)

    def _open_backend(self) -> PolicyBackend:
        config, loop = self.config, self.loop
        longest = config.prompt.max_prompt_tokens + config.sampling.max_response_tokens
        source = loaded_from(self.context.run, config.model)
        return open_policy_backend(config, source, loop.model, loop.tokenizer, longest, loop.stop_if_asked)

    def _make_evaluator(self) -> Evaluator | None:
        config = self.config
        if config.evaluation is None or not config.evaluate_at_steps:
            return None
        held_out = ProblemSet.load(config.evaluation.positions, "validation", self.loop.tokenizer, config.prompt)
        return Evaluator(self.context, self.backend, held_out, config.evaluation, config.sampling)


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
