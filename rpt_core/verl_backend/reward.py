"""The prefix-matching reward as verl calls it (`reward.custom_reward_function`).

In: the decoded response and the row's `extra_info` from `dataset`. Out: the score, with the reason and the size of the
prediction beside it. verl decodes responses before it calls a reward, so a prediction that ends inside a character is
compared in its decoded form and does not match: the plain loop, which sees bytes, has no such limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rpt_core.reward import judge_response


def compute_score(
    data_source: str, solution_str: str, ground_truth: str, extra_info: Mapping[str, Any], **_: Any
) -> dict[str, Any]:
    """Reward of one response (Eq. 3), in the form of verl's custom rewards."""
    completion = bytes.fromhex(extra_info["completion_hex"])
    verdict = judge_response(solution_str.encode(errors="surrogateescape"), completion, list(extra_info["boundaries"]))
    predicted = -1 if verdict.prediction is None else len(verdict.prediction)
    return {"score": verdict.reward, "reason": verdict.reason, "predicted_bytes": predicted}
