"""What is told of a step of RPT, whichever engine did it: verdicts, metrics, entries of the ledger.

In: problems and their groups of rollouts, or a judged Batch with what became of its groups. Out: plain values.
"""

from __future__ import annotations

from collections.abc import Sequence

from rpt_core.ledger import GroupRecord
from rpt_core.monitors import prediction_metrics, response_metrics
from rpt_core.problems import Problem
from rpt_core.reward import Verdict, judge_response
from rpt_core.rollouts import Rollout
from rpt_core.train.batch import Batch
from rpt_core.train.dynamic_sampling import Selection


def judge(problems: Sequence[Problem], groups: Sequence[Sequence[Rollout]]) -> list[list[Verdict]]:
    """Verdicts by Eq. 3; a response that the limit cut has no box."""
    return [
        [judge_response(r.data, problem.completion, problem.boundaries, r.finish_reason == "stop") for r in group]
        for problem, group in zip(problems, groups, strict=True)
    ]


def group_records(indices: Sequence[int], batch: Batch[Problem], selection: Selection) -> list[GroupRecord]:
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


def step_metrics(batch: Batch[Problem]) -> dict[str, float]:
    """What all responses of a step look like."""
    responses = response_metrics(batch.groups, batch.verdicts, batch.rewards.tolist())
    return responses | prediction_metrics(batch.problems, batch.groups, batch.verdicts)
