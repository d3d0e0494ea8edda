"""What is told of a step, whichever engine did it: its shard, verdicts, metrics, entries of the ledger.

In: problems and their groups of rollouts, or what was Judged with what became of its groups. Out: plain values, and the
shard of a step's responses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rpt_core.inference.rollout import Rollout
from rpt_core.inference.rows import rollout_rows
from rpt_core.models.flops import sampling_flops
from rpt_core.problems.problem import Problem
from rpt_core.run.context import StageContext
from rpt_core.run.rollout_files import emit_rollouts
from rpt_core.train.batch import Batch, Judged
from rpt_core.train.dynamic_sampling import Selection
from rpt_core.train.ledger import GroupRecord
from rpt_core.train.monitors import prediction_metrics, response_metrics
from rpt_core.verdict import Verdict, judge_response


def judge(problems: Sequence[Problem], groups: Sequence[Sequence[Rollout]]) -> list[list[Verdict]]:
    """Verdicts by Eq. 3; a response that the limit cut has no box."""
    return [
        [judge_response(r.data, problem.completion, problem.boundaries, r.finish_reason == "stop") for r in group]
        for problem, group in zip(problems, groups, strict=True)
    ]


def group_records(indices: Sequence[int], batch: Judged[Problem], selection: Selection) -> list[GroupRecord]:
    """What the ledger counts of each group."""
    dropped = set(selection.dropped())
    rewards = batch.rewards.tolist()
    return [
        GroupRecord(
            index=index,
            outcome=selection.outcomes[n],
            is_dropped=n in dropped,
            rollouts=len(batch.groups[n]),
            rewarded=sum(reward > 0 for reward in rewards[n]),
            matched=sum(verdict.reason == "match" for verdict in batch.verdicts[n]),
            prompt_tokens=len(batch.problems[n].prompt_ids),
            response_tokens=sum(len(rollout.token_ids) for rollout in batch.groups[n]),
        )
        for n, index in enumerate(indices)
    ]


def step_metrics(batch: Judged[Problem]) -> dict[str, float]:
    """What all responses of a step look like."""
    responses = response_metrics(batch.groups, batch.verdicts, batch.rewards.tolist())
    return responses | prediction_metrics(batch.problems, batch.groups, batch.verdicts)


def sampling_cost(records: Sequence[GroupRecord], parameters: int) -> tuple[int, float]:
    """Tokens read and generated for these groups, and FLOPs. parameters: N of the FLOPs."""
    prompts, responses = (sum(getattr(r, name) for r in records) for name in ("prompt_tokens", "response_tokens"))
    return prompts + responses, sampling_flops(parameters, prompts, responses)


def waste_metrics(records: Sequence[GroupRecord], selection: Selection, parameters: int) -> dict[str, float]:
    """Metrics of dynamic sampling, with what sampling the dropped groups has cost; none where it was not at work."""
    if not selection.is_active:
        return {}
    tokens, flops = sampling_cost([record for record in records if record.is_dropped], parameters)
    return {**selection.metrics(), "tokens_dropped": tokens, "flops_dropped": flops}


def used_advantages(batch: Batch[Any], is_used: Sequence[bool]) -> list[list[float] | None]:
    """Advantages of each group; None for one that was not learnt from."""
    return [row if used else None for row, used in zip(batch.advantages.tolist(), is_used, strict=True)]


def record_responses(
    context: StageContext, step: int, batch: Judged[Any], advantages: Sequence[Sequence[float] | None] | None
) -> None:
    """Write and announce the responses of a step. advantages: of each group; None for one, or for all, without."""
    rows = rollout_rows(step, batch.problems, batch.groups, batch.verdicts, advantages, batch.rewards.tolist())
    emit_rollouts(context.run, context.log, "train", step, rows)
