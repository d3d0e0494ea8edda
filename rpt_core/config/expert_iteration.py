"""The training stage that learns, supervised, from the policy's own right responses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from rpt_core.config.base import (
    BudgetConfig,
    InferenceConfig,
    ModelConfig,
    OptimiserConfig,
    PromptConfig,
    SamplingConfig,
)
from rpt_core.config.evaluation import EvaluationConfig
from rpt_core.config.limits import AtOnce, Passes, PassTokens, StepsOrNone
from rpt_core.config.reads import Reads
from rpt_core.config.rules import Refusal
from rpt_core.config.training import TrainConfig, evaluations_after, evaluations_are_described, responses_differ


def _evaluations_come(config: ExpertIterationConfig) -> Iterator[Refusal]:
    if config.budget.steps is not None:
        yield from evaluations_after(config.budget.steps, "budget.steps", config.evaluate_at_steps)


class ExpertIterationConfig(TrainConfig, InferenceConfig):
    """Stage `expert_iteration`: rounds of sampling at kept positions and supervised training on what was right."""

    rules = (responses_differ, _evaluations_come, evaluations_are_described)

    stage: Literal["expert_iteration"] = "expert_iteration"
    model: ModelConfig
    positions: Annotated[str, Reads.RUN]
    """Folder of a finished filter run; its kept training positions are used."""
    budget: BudgetConfig = BudgetConfig(epochs=1)
    """When training ends. A step is a round, an epoch one pass over the kept positions."""
    batch_problems: AtOnce = 256
    """Problems in one round. Few make a round's right responses those of the policy as it is."""
    group_size: AtOnce = 8
    """Responses sampled for each problem."""
    order: Literal["random", "easy_to_hard"] = "random"
    """Order of the positions: at random, or a curriculum by rising entropy within each pass over them."""
    passes: Passes = 1
    """Times that a round learns from each of its right responses; the next round brings others."""
    batch_responses: AtOnce = 64
    """Right responses in one optimiser update; a round makes as many updates as it takes."""
    batch_tokens: PassTokens = 16384
    """Padded tokens in one forward and backward pass; gradients are summed over them."""
    prompt: PromptConfig = PromptConfig()
    sampling: SamplingConfig = SamplingConfig()
    optimiser: OptimiserConfig = OptimiserConfig(learning_rate=1e-5, max_grad_norm=1.0)
    evaluation: EvaluationConfig | None = None
    """Evaluate while training; leave empty to do without."""
    evaluate_at_steps: tuple[StepsOrNone, ...] = ()
    """Rounds after which the policy is evaluated; 0 is before training."""
