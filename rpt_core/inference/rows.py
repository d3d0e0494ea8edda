"""Rollouts as the rows of a shard. Loads without torch.

In: problems or questions, their groups of rollouts, verdicts, and of training what they earned and their advantages.
Out: rows in the order of problems and samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rpt_core.inference.rollout import Asked, Rollout
from rpt_core.run.rollout_files import AS_A_WHOLE, RecordedTokens, RolloutRow
from rpt_core.verdict import BOX, Verdict


def rollout_rows(
    step: int,
    problems: Sequence[Asked],
    groups: Sequence[Sequence[Rollout]],
    verdicts: Sequence[Sequence[Verdict]],
    advantages: Sequence[Sequence[float] | None] | None = None,
    earned: Sequence[Sequence[float]] | None = None,
) -> list[RolloutRow]:
    """One row for each response. Evaluations, and groups that were not learnt from, have no advantages."""
    return [
        replace(
            _row(step, n, sample, problem, rollout, verdict),
            advantage=_value(advantages, n, sample),
            earned=_value(earned, n, sample),
        )
        for n, problem in enumerate(problems)
        for sample, (rollout, verdict) in enumerate(zip(groups[n], verdicts[n], strict=True))
    ]


def _value(values: Sequence[Sequence[float] | None] | None, group: int, sample: int) -> float | None:
    of_the_group = None if values is None else values[group]
    return None if of_the_group is None else of_the_group[sample]


def _row(step: int, group: int, sample: int, problem: Asked, rollout: Rollout, verdict: Verdict) -> RolloutRow:
    start, end = problem.context_span or (None, None)
    return RolloutRow(
        step=step,
        group=group,
        sample=sample,
        document=problem.document,
        position=problem.position,
        entropy_nats=problem.entropy_nats,
        prompt=problem.prompt,
        response=rollout.text,
        prediction=verdict.prediction,
        completion=problem.completion,
        boundaries=problem.boundaries,
        reward=verdict.reward,
        reason=verdict.reason,
        mismatch_byte=verdict.mismatch_byte,
        finish_reason=rollout.finish_reason,
        prompt_tokens=len(problem.prompt_ids),
        response_tokens=len(rollout.token_ids),
        mean_log_prob=sum(rollout.log_probs) / len(rollout.log_probs),
        advantage=None,
        context_start=start,
        context_end=end,
        text_hash=problem.text_hash,
        byte_offset=AS_A_WHOLE if problem.entropy_nats is None else problem.byte_offset,
        domain=problem.domain,
        tokens=recorded_tokens(rollout, verdict.prediction),
    )


def recorded_tokens(rollout: Rollout, prediction: bytes | None) -> RecordedTokens | None:
    """The tokens that the config asks for; None when it asks for none, and of a response without a box for its box."""
    if rollout.record == "none":
        return None
    ends = rollout.token_ends
    first, last = 0, len(ends)
    if rollout.record == "boxed":
        if not prediction:
            return None
        start = rollout.data.rfind(BOX.encode()) + len(BOX)
        begins = [0, *ends[:-1]]
        inside = [n for n in range(last) if ends[n] > start and begins[n] < start + len(prediction)]
        if not inside:
            return None
        first, last = inside[0], inside[-1] + 1
    part = slice(first, last)
    nats = rollout.entropies and rollout.entropies[part]
    return RecordedTokens(first, rollout.token_ids[part], ends[part], list(rollout.log_probs[part]), _listed(nats))


def _listed(values: Sequence[float] | None) -> list[float | None] | None:
    return None if values is None else list(values)
