"""Training on the positions that a filter run kept, whatever is learnt from the responses there: what the stages `rpt`
and `expert_iteration` share.

In: a stage's config, its context, a training loop, the positions. Out: positions drawn in their order, judged groups of
responses, rollout shards, the ledger, evaluations between steps. What a step learns is left to each stage.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import torch

from rpt_core.config import ExpertIterationConfig, RptConfig
from rpt_core.errors import UserError
from rpt_core.evaluation.held_out import held_out_problems, warn_of_lost_positions
from rpt_core.evaluation.next_token import Evaluator
from rpt_core.inference.backend import PolicyBackend, open_policy_backend
from rpt_core.inference.rollout import Rollout
from rpt_core.problems.plain_text import warn_of_plain_text
from rpt_core.problems.problem import Problem, ProblemSet
from rpt_core.run.context import StageContext
from rpt_core.seeds import derive_seed
from rpt_core.text.tokens import Tokenizer
from rpt_core.train.ledger import EQUAL_REWARDS_TEACH_NOTHING, Ledger, finish_ledger, write_ledger
from rpt_core.train.loop import StepResult, TrainingLoop, loaded_from
from rpt_core.train.not_finite import sampled_rows
from rpt_core.train.problem_order import ProblemOrder
from rpt_core.train.step_records import judge
from rpt_core.verdict import Verdict

C = TypeVar("C", bound=RptConfig | ExpertIterationConfig)


def load_positions(config: RptConfig | ExpertIterationConfig, tokenizer: Tokenizer) -> ProblemSet:
    """The training positions. Raises UserError when the filter run kept none."""
    problems = ProblemSet.load(config.positions, "train", tokenizer, config.prompt)
    if not len(problems.kept()):
        raise UserError("The filter run kept no training positions. Run it with a lower threshold or a larger share.")
    return problems


@dataclass(frozen=True)
class Sampled:
    """One batch of problems with their judged groups, before anything is earned."""

    indices: list[int]
    """Of the positions in the problem set, one for each group."""
    problems: list[Problem]
    groups: list[list[Rollout]]
    verdicts: list[list[Verdict]]


class PositionTraining(ABC, Generic[C]):
    """Steps on kept positions, and the evaluations between them."""

    lesson = EQUAL_REWARDS_TEACH_NOTHING
    """What the ledger's caption says of groups with equal rewards."""

    def __init__(self, config: C, context: StageContext, loop: TrainingLoop, problems: ProblemSet) -> None:
        self.config, self.context, self.loop, self.problems = config, context, loop, problems
        kept = problems.kept()
        entropies = problems.entropies[kept] if config.order == "easy_to_hard" else None
        self.order = ProblemOrder(kept, config.seed, entropies)
        self.ledger = Ledger(kept)
        # These tensors share the ledger's memory: a checkpoint holds its counts, and a resumed run gets them back.
        loop.keep("ledger", {name: torch.from_numpy(getattr(self.ledger, name)) for name in ("counts", "costs")})
        self.backend = self._open_backend()
        self.evaluator = self._make_evaluator()

    @abstractmethod
    def do_step(self, step: int) -> StepResult:
        """Sample, judge, learn, record; `step` is the number of finished ones."""

    def train(self) -> dict[str, Any]:
        """All steps that are left, and what is written at the end; returns the result for the `finished` event."""
        self.loop.start()
        warn_of_lost_positions(self.context, self.problems)
        warn_of_plain_text(self.context, [self.config.prompt.template], self.loop.tokenizer)
        write_ledger(self.context.run, self.ledger, self.problems)  # a crash may have left that of a later step
        self.evaluate_if_due()
        self.loop.run(self.do_step, self.after_step)
        loop, seed = self.loop, self.config.seed
        counts = finish_ledger(
            self.context, self.ledger, self.problems, loop.matrix_parameters, loop.step, seed, self.lesson
        )
        return {"steps": loop.step, "flops": loop.flops, **loop.sizes, **counts}

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

    def sample(self, step: int, drawn: int, number: int = 0) -> Sampled:
        """Sample and judge a batch of problems. drawn: how many positions came before; number: of the batch within
        the step, from 0."""
        config = self.config
        indices = self.order.draw(drawn, config.batch_problems)
        problems = [self.problems.problem(index) for index in indices]
        seed = derive_seed(config.seed, "rollouts", step, *([number] if number else []))
        prompts = [problem.prompt_ids for problem in problems]
        at_hand = self.loop.at_hand
        at_hand.rows, at_hand.probe = partial(sampled_rows, problems), prompts[0]
        groups = self.backend.sample(prompts, config.group_size, config.sampling, seed)
        at_hand.rows = partial(sampled_rows, problems, groups)
        at_hand.add_sampling(problems, groups, self.loop.matrix_parameters)
        return Sampled(indices, problems, groups, judge(problems, groups))

    def _open_backend(self) -> PolicyBackend:
        config, loop = self.config, self.loop
        longest = config.prompt.max_prompt_tokens + config.sampling.max_response_tokens
        source = loaded_from(self.context.run, config.model)
        return open_policy_backend(config, source, loop.model, loop.tokenizer, longest, loop.stop_if_asked)

    def _make_evaluator(self) -> Evaluator | None:
        config = self.config
        if config.evaluation is None or not config.evaluate_at_steps:
            return None
        held_out = held_out_problems(config.evaluation, self.loop.tokenizer, config.prompt)
        return Evaluator(self.context, self.backend, held_out, config.evaluation, config.sampling)
