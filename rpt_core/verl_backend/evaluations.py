"""Evaluations of a verl run, made on its exported checkpoints by the evaluator of the plain loop, once verl has ended.

In: a run's config and what its folder holds. Out: `evaluation` events of the steps that are due, that of step 0 too,
with the model that training started from: until verl ends, the GPUs are its own. A step is due when no event tells of
its evaluation; one that a stop cuts short is made again after the resume.
"""

from __future__ import annotations

from rpt_core.config import EvaluationConfig, ModelConfig, RptConfig
from rpt_core.evaluation.held_out import held_out_problems
from rpt_core.evaluation.next_token import Evaluator
from rpt_core.inference.backend import Backend, open_backend
from rpt_core.models.checkpoints import checkpoint_flops
from rpt_core.run.context import StageContext, StopRequested
from rpt_core.run.events import EventType, read_events


def run_due(config: RptConfig, context: StageContext) -> None:
    """Evaluate every step that is due."""
    done = {event.data["step"] for event in read_events(context.run.events) if event.type == EventType.EVALUATION}
    due = sorted({0, *context.run.checkpoint_steps()} & set(config.evaluate_at_steps) - done)
    if config.evaluation is not None and due:
        _Evaluations(config, context, config.evaluation).run(due)


class _Evaluations:
    """One engine that follows from checkpoint to checkpoint."""

    def __init__(self, config: RptConfig, context: StageContext, evaluation: EvaluationConfig) -> None:
        self.config, self.context, self.evaluation = config, context, evaluation

    def run(self, steps: list[int]) -> None:
        """Evaluate the checkpoints of these steps."""
        backend = self._open(self._model(steps[0]))
        held_out = held_out_problems(self.evaluation, backend.tokenizer, self.config.prompt)
        evaluator = Evaluator(self.context, backend, held_out, self.evaluation, self.config.sampling)
        for step in steps:
            if step != steps[0]:
                backend.follow_checkpoint(self._model(step))
            evaluator.run(step, checkpoint_flops(self._model(step).path) if step else 0.0)

    def _model(self, step: int) -> ModelConfig:
        if not step:
            return self.config.model
        return self.config.model.model_copy(update={"path": str(self.context.run.checkpoint(step))})

    def _open(self, model: ModelConfig) -> Backend:
        longest = self.config.prompt.max_prompt_tokens + self.config.sampling.max_response_tokens
        return open_backend(self.config, model, longest, self._stop_if_asked)

    def _stop_if_asked(self) -> None:
        if self.context.stop_requested:
            raise StopRequested(max(self.context.run.checkpoint_steps(), default=0))
