"""How much a run has to do: tokens read, written and learnt from, training steps, rollouts.

In: a stage's config, the model's shape, what is known of its data. Out: a Work, once at its limit (every response as
long as allowed) and once as it typically goes. Data that an earlier run of a suite will make is not there yet: then the
config's own limits stand for it. Loads without torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from rpt_core.config import (
    BenchmarkConfig,
    BudgetConfig,
    EvaluateConfig,
    EvaluationConfig,
    ExpertIterationConfig,
    FilterConfig,
    NtpConfig,
    RlvrConfig,
    RptConfig,
    SamplingConfig,
    SftConfig,
    StageConfig,
    TemplatesConfig,
)
from rpt_core.preflight.data import Data
from rpt_core.preflight.model_shape import ModelShape

TYPICAL_LENGTH = 0.4
"""Share of the limit that a response takes typically: 0.3 to 0.4 in runs of the small model."""
TYPICAL_LIVE = 0.5
"""Share of the groups whose rewards differ, typically."""
TYPICAL_RIGHT = 0.5
"""Share of the responses that expert iteration learns from, typically: right, and not the same as another one."""


@dataclass(frozen=True)
class Work:
    """Volumes of a whole run."""

    read_tokens: float = 0
    """Forward passes over given text: prompts, documents to score, contexts, responses that a reference scores."""
    generated_tokens: float = 0
    trained_tokens: float = 0
    decode_steps: float = 0
    """Tokens written one after the other, each for all rows of a batch at once."""
    decode_rows: float = 0
    """Rows in such a batch."""
    rollouts: float = 0
    steps: float = 0
    """Of training, as `checkpoint_every_steps` counts them."""
    evaluated_tokens: float = 0
    """Those of the above that measure and do not train; they are not counted as training compute."""

    def __add__(self, other: Work) -> Work:
        sums = {field.name: getattr(self, field.name) + getattr(other, field.name) for field in fields(self)}
        return Work(**{**sums, "decode_rows": max(self.decode_rows, other.decode_rows)})

    def training_flops(self, shape: ModelShape) -> float:
        """Training compute by the formula of docs/method.md."""
        forward = round(self.read_tokens + self.generated_tokens - self.evaluated_tokens, 3)
        return shape.matrix_parameters * (2 * forward + 6 * self.trained_tokens)


def work_of(config: StageConfig, shape: ModelShape, data: Data, typical: bool) -> Work:
    """The work of a run, at its limit or typically."""
    found = _BY_STAGE[config.stage](config, shape, data, typical)
    assert isinstance(found, Work)
    return found


def _filter(config: FilterConfig, shape: ModelShape, data: Data, typical: bool) -> Work:
    return Work(read_tokens=data.corpus_tokens)


def _supervised(config: NtpConfig | SftConfig, shape: ModelShape, data: Data, typical: bool) -> Work:
    epoch = data.corpus_tokens
    steps = max(1.0, data.sequences / config.batch_documents)
    tokens = _budget_tokens(config.budget, epoch, epoch / steps, shape, data)
    return Work(trained_tokens=tokens, steps=tokens / max(epoch / steps, 1))


def _budget_tokens(budget: BudgetConfig, epoch: float, step: float, shape: ModelShape, data: Data) -> float:
    if budget.epochs is not None:
        return budget.epochs * epoch
    if budget.steps is not None:
        return budget.steps * step
    if budget.tokens is not None:
        return budget.tokens
    return (budget.flops or data.other_flops) / (6 * shape.matrix_parameters)


def _rpt(config: RptConfig, shape: ModelShape, data: Data, typical: bool) -> Work:
    batch = (config, config.batch_problems, data.prompt_tokens, typical)
    dynamic, extra = _dynamic_steps(config), _extra_batches(config, typical)
    # Dynamic sampling fills a step with live groups and never learns from more than a batch of them.
    fullness = min(1.0, TYPICAL_LIVE * (1 + extra)) if typical else 1.0
    refilled = _times(_sampled(*batch), 1 + extra) + _update(*batch, fullness)
    total = _times(_sampled(*batch) + _update(*batch), config.steps - dynamic) + _times(refilled, dynamic)
    if config.evaluation is not None:
        one = _evaluation(config.evaluation, data, config.sampling, typical)
        total += _times(one, len(config.evaluate_at_steps))
    return total


def _dynamic_steps(config: RptConfig) -> int:
    """Steps with dynamic sampling."""
    from_step = config.dynamic_sampling.from_step
    return 0 if from_step is None else max(0, config.steps - from_step + 1)


def _extra_batches(config: RptConfig, typical: bool) -> int:
    """Batches that such a step adds: typically so many that one is full of live groups, at most all that it may."""
    most = config.dynamic_sampling.max_extra_batches
    return min(math.ceil(1 / TYPICAL_LIVE) - 1, most) if typical else most


def _expert_iteration(config: ExpertIterationConfig, shape: ModelShape, data: Data, typical: bool) -> Work:
    sampled = _sampled(config, config.batch_problems, data.prompt_tokens, typical)
    one = data.prompt_tokens + _response_tokens(config.sampling, typical)
    right = sampled.rollouts * (TYPICAL_RIGHT if typical else 1.0)
    round_ = sampled + Work(trained_tokens=config.passes * right * one, steps=1)
    steps = _steps(config.budget, data.sequences / config.batch_problems, round_, sampled.rollouts * one, shape, data)
    total = _times(round_, max(1, math.ceil(steps)))
    if config.evaluation is not None:
        one_evaluation = _evaluation(config.evaluation, data, config.sampling, typical)
        total += _times(one_evaluation, len(config.evaluate_at_steps))
    return total


def _steps(
    budget: BudgetConfig, per_epoch: float, step: Work, step_tokens: float, shape: ModelShape, data: Data
) -> float:
    """Steps of a stage that samples and learns. step_tokens: what one takes from a budget in tokens: all responses
    count against it, those that teach nothing too."""
    if budget.epochs is not None:
        return budget.epochs * per_epoch
    if budget.steps is not None:
        return budget.steps
    if budget.tokens is not None:
        return budget.tokens / step_tokens
    return (budget.flops or data.other_flops) / max(step.training_flops(shape), 1.0)


def _rlvr(config: RlvrConfig, shape: ModelShape, data: Data, typical: bool) -> Work:
    if listed := len(config.questions.listed_questions):
        return _responses(listed, data.prompt_tokens, config.test_sampling, typical, config.test_samples)
    per_epoch = config.questions.train_questions / config.batch_questions
    batch = (config, config.batch_questions, data.prompt_tokens, typical)
    sampled = _sampled(*batch)
    step = sampled + _update(*batch)
    step_tokens = sampled.rollouts * (data.prompt_tokens + _response_tokens(config.sampling, typical))
    steps = _steps(config.budget, per_epoch, step, step_tokens, shape, data)
    tests = 2 + (int(steps / per_epoch / config.test_every_epochs) if config.test_every_epochs else 0)
    test = _responses(
        config.questions.test_questions, data.prompt_tokens, config.test_sampling, typical, config.test_samples
    )
    return _times(step, math.ceil(steps)) + _times(test, tests)


def _evaluate(config: EvaluateConfig, shape: ModelShape, data: Data, typical: bool) -> Work:
    return _evaluation(config.evaluation, data, config.sampling, typical)


def _evaluation(config: EvaluationConfig, data: Data, sampling: SamplingConfig, typical: bool) -> Work:
    positions = data.held_out_positions
    work = Work()
    if "standard" in config.modes:
        tokens = positions * data.prompt_tokens
        work += Work(read_tokens=tokens, evaluated_tokens=tokens)
    if "sampled" in config.modes:
        work += _responses(positions, data.prompt_tokens, sampling, typical, config.samples)
    if "greedy" in config.modes:
        work += _responses(positions, data.prompt_tokens, sampling, typical)
    return work


def _templates(config: TemplatesConfig, shape: ModelShape, data: Data, typical: bool) -> Work:
    groups = data.held_out_positions * len(config.templates)
    return _responses(groups, data.prompt_tokens, config.sampling, typical, config.samples)


def _benchmark(config: BenchmarkConfig, shape: ModelShape, data: Data, typical: bool) -> Work:
    tokens = data.sequences * data.prompt_tokens
    work = Work(read_tokens=tokens, evaluated_tokens=tokens)
    if "reasoning" in config.modes:
        work += _responses(data.sequences, data.prompt_tokens, config.sampling, typical, config.samples)
    return work


def _responses(groups: float, prompt_tokens: float, sampling: SamplingConfig, typical: bool, samples: int = 1) -> Work:
    """Responses that measure; a prompt is read once for all its samples."""
    count, length = groups * samples, _response_tokens(sampling, typical)
    return Work(
        read_tokens=groups * prompt_tokens,
        generated_tokens=count * length,
        evaluated_tokens=groups * prompt_tokens + count * length,
        decode_steps=math.ceil(count / sampling.batch_rows) * sampling.max_response_tokens,
        decode_rows=min(count, sampling.batch_rows),
        rollouts=count,
    )


def _sampled(
    config: RptConfig | ExpertIterationConfig | RlvrConfig, groups: int, prompt_tokens: float, typical: bool
) -> Work:
    """One batch of groups: prompts read once for each group, responses written."""
    sampling, rows = config.sampling, groups * config.group_size
    return Work(
        read_tokens=groups * prompt_tokens,
        generated_tokens=rows * _response_tokens(sampling, typical),
        decode_steps=math.ceil(rows / max(sampling.batch_rows, config.group_size)) * sampling.max_response_tokens,
        decode_rows=min(rows, sampling.batch_rows),
        rollouts=rows,
    )


def _update(
    config: RptConfig | RlvrConfig, groups: int, prompt_tokens: float, typical: bool, counting: float | None = None
) -> Work:
    """The update of one step, as `rpt_core.train.policy_update` does it. counting: share of the groups that teach.

    A KL or an entropy term wants all groups. The reference reads all that is learnt from, the policy itself what comes
    after the first of several mini-batches: their old log-probs.
    """
    grpo = config.grpo
    if counting is None:
        every_group = not typical or grpo.kl_coefficient > 0 or grpo.entropy_coefficient > 0
        counting = 1.0 if every_group else TYPICAL_LIVE
    tokens = counting * groups * config.group_size * (prompt_tokens + _response_tokens(config.sampling, typical))
    passes = 1 - (grpo.minibatch_groups or groups) / groups + (grpo.kl_coefficient > 0)
    return Work(read_tokens=passes * tokens, trained_tokens=tokens, steps=1)


def _response_tokens(sampling: SamplingConfig, typical: bool) -> float:
    return sampling.max_response_tokens * (TYPICAL_LENGTH if typical else 1)


def _times(work: Work, count: float) -> Work:
    scaled = {field.name: getattr(work, field.name) * count for field in fields(work)}
    return Work(**{**scaled, "decode_rows": work.decode_rows})


_BY_STAGE: dict[str, Callable[[Any, ModelShape, Data, bool], Work]] = {
    "filter": _filter,
    "ntp": _supervised,
    "sft": _supervised,
    "rpt": _rpt,
    "expert_iteration": _expert_iteration,
    "rlvr": _rlvr,
    "evaluate": _evaluate,
    "templates": _templates,
    "benchmark": _benchmark,
}
