"""Inside verl: the reward (`reward.custom_reward_function`), which is `rpt_core.rewards` on the very bytes.

In: a row's `extra_info` with what `agent_loop` adds: the response's bytes and whether it came to its end. Out: the
score, with the reason of Eq. 3's verdict and the size of the prediction beside it. verl's own text of the response is
not read: it has lost bytes where a prediction ends inside a character.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from rpt_core.config import RewardConfig
from rpt_core.errors import UserError
from rpt_core.inference.rollout import Rollout
from rpt_core.rewards.base import Reward
from rpt_core.rewards.kinds import make_reward
from rpt_core.text.tokens import Tokenizer, load_tokenizer
from rpt_core.verdict import judge_response
from rpt_core.verl_backend.dataset import problem_of


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: str,
    extra_info: Mapping[str, Any],
    reward: str,
    model: str,
    **_: Any,
) -> dict[str, Any]:
    """What one response earns, in the form of verl's custom rewards.

    reward: a RewardConfig as JSON. model: where the policy's tokenizer is.
    """
    problem = problem_of(ground_truth, extra_info)
    data, finished = bytes.fromhex(extra_info["response_hex"]), bool(extra_info["finished"])
    verdict = judge_response(data, problem.completion, problem.boundaries, finished)
    rollout = Rollout([], data, [], "stop" if finished else "length")
    [[earned]] = _loaded(reward, model).rewards([problem], [[rollout]], [[verdict]])
    predicted = -1 if verdict.prediction is None else len(verdict.prediction)
    return {"score": earned, "reason": verdict.reason, "predicted_bytes": predicted}


def reward_without_model(config: RewardConfig, tokenizer: Tokenizer) -> Reward:
    """A reward that reads nothing but the response. Raises UserError when the config's is none."""
    return make_reward(config, _Reader(tokenizer))


@lru_cache(maxsize=1)
def _loaded(reward: str, model: str) -> Reward:
    return reward_without_model(RewardConfig.model_validate_json(reward), load_tokenizer(model))


class _Reader:
    """A policy that can only be asked for its tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    def __getattr__(self, name: str) -> Any:
        raise UserError(f"With the engine verl, a reward cannot ask the policy ({name}). Use prefix or first_token.")
