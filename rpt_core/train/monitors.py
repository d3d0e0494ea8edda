"""Collapse monitors: what the responses of a training step look like, as metrics of every run. Loads without torch.

In: all groups that a step sampled, used for the update or not, with their verdicts and rewards. Out: {name: number}; a
mean over nothing is left out, never 0. Shares are of all responses, or of all groups for `share_all_...`. The paper
names the reward alone; later work saw what the others warn of (docs/method.md): traces that shrink to templates,
predictions that shrink to a cheap token, whole groups lost to a blank.

Everything is compared on bytes, and blanks are ASCII white space, as `bytes.strip` takes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from rpt_core.inference.rollout import Rollout
from rpt_core.verdict import EQUAL_WITHIN, Verdict

if TYPE_CHECKING:  # problems know tokenizers, whose library loads torch
    from rpt_core.problems.problem import Problem

_END_OF_THOUGHT = b"</think>"
_BOX = rb"\boxed{"


def response_metrics(
    groups: Sequence[Sequence[Rollout]], verdicts: Sequence[Sequence[Verdict]], rewards: Sequence[Sequence[float]]
) -> dict[str, float]:
    """What holds for any task that boxes its answer: rewards, lengths, entropy, boxes."""
    rollouts, judged = list(chain.from_iterable(groups)), list(chain.from_iterable(verdicts))
    lengths = [len(rollout.token_ids) for rollout in rollouts]
    predictions = [verdict.prediction for verdict in judged if verdict.prediction is not None]
    values = {
        "reward_mean": _mean(chain.from_iterable(rewards)),
        "share_boxed": len(predictions) / len(judged),
        "share_no_box": _mean(verdict.prediction is None for verdict in judged),
        "share_matched": _mean(verdict.reason == "match" for verdict in judged),
        "share_cut": _mean(rollout.finish_reason == "length" for rollout in rollouts),
        "share_several_boxes": _mean(has_several_boxes(rollout.data) for rollout in rollouts),
        "share_all_zero": _mean(map(is_all_zero, rewards)),
        "share_all_one": _mean(map(is_all_one, rewards)),
        "response_tokens_mean": _mean(lengths),
        "mean_negative_log_prob": -sum(sum(rollout.log_probs) for rollout in rollouts) / sum(lengths),
    }
    if predictions:
        values["predicted_bytes_mean"] = _mean(map(len, predictions))
    return values


def prediction_metrics(
    problems: Sequence[Problem], groups: Sequence[Sequence[Rollout]], verdicts: Sequence[Sequence[Verdict]]
) -> dict[str, float]:
    """What holds for next-token reasoning: how predictions miss the completion, and where the target stands."""
    judged = [
        (problem, rollout, verdict)
        for problem, group, found in zip(problems, groups, verdicts, strict=True)
        for rollout, verdict in zip(group, found, strict=True)
    ]
    first = _mean(begins_with_first_token(verdict, problem) for problem, _, verdict in judged)
    return {
        "share_blank_prediction": _mean(is_blank(verdict) for *_, verdict in judged),
        "share_right_but_blanks": _mean(is_right_but_blanks(verdict, problem) for problem, _, verdict in judged),
        "first_token_gap": first - _mean(verdict.reason == "match" for *_, verdict in judged),
        "share_target_quoted": _mean(quotes_target(rollout.data, problem) for problem, rollout, _ in judged),
    }


def is_all_zero(rewards: Sequence[float]) -> bool:
    """The group's rewards are equal and none is above 0: it teaches nothing."""
    return _are_equal(rewards) and max(rewards) <= 0


def is_all_one(rewards: Sequence[float]) -> bool:
    """The group's rewards are equal and above 0: it teaches nothing."""
    return _are_equal(rewards) and max(rewards) > 0


def _are_equal(rewards: Sequence[float]) -> bool:
    """As `live_groups` has it: but for rounding."""
    return max(rewards) - min(rewards) <= EQUAL_WITHIN * max(map(abs, rewards))


def is_blank(verdict: Verdict) -> bool:
    """The prediction is white space alone, and some."""
    return verdict.prediction is not None and verdict.prediction.isspace()


def is_right_but_blanks(verdict: Verdict, problem: Problem) -> bool:
    """Wrong, yet equal to a prediction that Eq. 3 rewards once both have lost the blanks at their ends.

    Where nothing but blanks is predicted, nothing is left to be right.
    """
    if verdict.reason == "match" or not verdict.prediction:
        return False
    core = verdict.prediction.strip()
    return bool(core) and any(problem.completion[:end].strip() == core for end in problem.boundaries)


def begins_with_first_token(verdict: Verdict, problem: Problem) -> bool:
    """The prediction begins with the bytes of the completion's first token, however it goes on."""
    return verdict.prediction is not None and verdict.prediction.startswith(_first_token(problem))


def quotes_target(response: bytes, problem: Problem) -> bool:
    """The first token of the completion, without its blanks, occurs in the thought, which ends at the last `</think>`.

    A target of one byte counts only where no letter, digit or underscore is beside it; a blank one never does. This
    finds what stands there by chance, too (a frequent word, a part of a longer one), and says nothing about how the
    prediction came about: read how it changes during a run, not how high it is.
    """
    end, target = response.rfind(_END_OF_THOUGHT), _first_token(problem).strip()
    if end < 0 or not target:
        return False
    if len(target) > 1:
        return response.find(target, 0, end) >= 0
    byte = re.escape(target)  # standing first, it is what the search goes by; the other way round is far slower
    return re.search(byte + rb"(?<!\w" + byte + rb")(?!\w)", response[:end]) is not None


def has_several_boxes(response: bytes) -> bool:
    """More than one box is opened after the last `</think>`; only the last one counts for the reward."""
    end = response.rfind(_END_OF_THOUGHT)
    return end >= 0 and response.count(_BOX, end) > 1


def _first_token(problem: Problem) -> bytes:
    return problem.completion[: problem.boundaries[0]]


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)
