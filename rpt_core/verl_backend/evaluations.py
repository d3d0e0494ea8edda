"""Evaluations of a verl run, made on its exported checkpoints by the evaluator of the plain loop.

In: a run's config and what its folder holds. Out: `evaluation` events of the steps that are due. A step is due when it
has a checkpoint and no event tells of its evaluation; one that a stop cuts short is made again after the resume.
"""

from __future__ import annotations

from rpt_core.checkpoints import checkpoint_flops, load_model
from rpt_core.config import RptConfig
from rpt_core.evaluation.next_token import Evaluator
from rpt_core.events import EventType, read_events
from rpt_core.problems import ProblemSet
from rpt_core.rollouts.transformers import TransformersSampler
from rpt_core.stage import StageContext, StopRequested
from rpt_core.tokens import Tokenizer


class Evaluations:
    """The evaluations of a run."""

    def __init__(self, config: RptConfig, context: StageContext, tokenizer: Tokenizer) -> None:
        self.config, self.context, self.tokenizer = config, context, tokenizer
        self._held_out: ProblemSet | None = None

    def run_due(self, only_start: bool = False) -> None:
        """Evaluate what is due, or of it only the policy that training starts from."""
        if self.config.evaluation is None:
            return
        done = {e.data["step"] for e in read_events(self.context.run.events) if e.type == EventType.EVALUATION}
        there = {0} if only_start else {0, *self.context.run.checkpoint_steps()}
        for step in sorted(there & set(self.config.evaluate_at_steps) - done):
            self._evaluate(step)

    def _evaluate(self, step: int) -> None:
        assert self.config.evaluation is not None
        path = str(self.context.run.checkpoint(step)) if step else self.config.model.path
        model, _ = load_model(self.config.model.model_copy(update={"path": path}))
        sampler = TransformersSampler(model, self.tokenizer, self._stop_if_asked)
        evaluator = Evaluator(
            self.context,
            model,
            sampler,
            self.tokenizer,
            self._problems(),
            self.config.evaluation,
            self.config.sampling,
        )
        evaluator.run(step, checkpoint_flops(path) if step else 0.0)

    def _problems(self) -> ProblemSet:
        assert self.config.evaluation is not None
        if self._held_out is None:
            positions = self.config.evaluation.positions
            self._held_out = ProblemSet.load(positions, "validation", self.tokenizer, self.config.prompt)
        return self._held_out

    def _stop_if_asked(self) -> None:
        if self.context.stop_requested:
            raise StopRequested(max(self.context.run.checkpoint_steps(), default=0))
