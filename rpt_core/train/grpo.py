"""Group-relative policy optimisation: advantages of a group's responses, and the terms of the loss over their tokens.

In: rewards, log-probs. Out: tensors; nothing here knows models or text. Follows DeepSeekMath's GRPO as the paper
uses it (section 3.3, Table 5): no KL term, no entropy term, exactly on-policy (one update for each batch).

Where the paper is silent: the loss is a mean over all completion tokens of the batch, not a mean of each response's
mean, so that long responses are not favoured when wrong (`sequence` gives the other, DeepSeekMath's own); `mean` leaves
the division by the standard deviation out (Dr. GRPO), which otherwise weighs nearly unanimous groups up. Options beyond
the paper: an upper clip of its own and a gradual punishment of over-long responses (both DAPO, arXiv 2503.14476), the
k3 estimator of the KL divergence (as in DeepSeekMath).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from rpt_core.verdict import EQUAL_WITHIN

Aggregation = Literal["token", "sequence"]


def group_advantages(rewards: Tensor, normalise: Literal["std", "mean"] = "std") -> Tensor:
    """Advantage of each response within its group.

    rewards: (problems, group size). Returns the same shape: reward minus the group's mean, divided by the group's
    (population) standard deviation when normalise is `std`. A group whose rewards are equal, or differ by rounding
    alone, has advantages of exactly 0.
    """
    # The group's own mean is the baseline, so no value network is needed: what is above it is made more probable, what
    # is below it less.
    centred = rewards - rewards.mean(dim=1, keepdim=True)  # (problems, group size)
    if normalise == "std":
        # The division gives every group steps of about one size, however rare its right responses are.
        deviation = rewards.std(dim=1, keepdim=True, correction=0)  # (problems, 1)
        centred = centred / torch.where(deviation > 0, deviation, torch.ones_like(deviation))
    # Rounding in the mean would leave a tiny advantage in groups of equal rewards, which the division makes large.
    return torch.where(live_groups(rewards)[:, None], centred, torch.zeros_like(centred))


def live_groups(rewards: Tensor) -> Tensor:
    """(problems, group size) -> (problems,) bool: the group's rewards differ, so that it has something to teach.

    By more than rounding: a division by the standard deviation would make it as large as any difference.
    """
    return rewards.amax(dim=1) - rewards.amin(dim=1) > EQUAL_WITHIN * rewards.abs().amax(dim=1)


def overlong_punishment(lengths: Tensor, limit: int, buffer: int) -> Tensor:
    """DAPO's soft punishment (its Eq. 13): 0 up to `limit - buffer` tokens, from there down in a line to -1 at `limit`.

    lengths: responses' tokens, any shape. Returns floats of that shape, to be added to rewards.
    """
    # At `limit - buffer` tokens the quotient is 0, at `limit` it is -1.
    return ((limit - buffer - lengths) / buffer).clamp(-1, 0)


def clipped_gains(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, clip_low: float = 0.2, clip_high: float = 0.2
) -> Tensor:
    """What each token gains: min(r A, clip(r, 1 - clip_low, 1 + clip_high) A), r = exp(new - old log-prob).

    log_probs, old_log_probs: of one shape. advantages: a shape that broadcasts to it. On-policy, with old_log_probs =
    log_probs.detach(), the ratio is 1 and the gradient is that of A log p.
    """
    # The ratio corrects for responses having been sampled by the policy of before: importance sampling, token by token.
    ratio = (log_probs - old_log_probs).exp()  # (tokens,)
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high)
    # The smaller of the two is a bound from below: a token gains nothing by moving beyond the clip range, but one that
    # has moved the wrong way keeps its whole gradient.
    return torch.minimum(ratio * advantages, clipped * advantages)


def is_clipped(ratio: Tensor, advantages: Tensor, clip_low: float = 0.2, clip_high: float = 0.2) -> Tensor:
    """Which tokens the clip leaves without a gradient: gone far enough in the direction that their advantage wants."""
    return ((advantages > 0) & (ratio > 1 + clip_high)) | ((advantages < 0) & (ratio < 1 - clip_low))


def k3_divergence(log_probs: Tensor, reference_log_probs: Tensor) -> Tensor:
    """Schulman's k3 estimate of KL(policy || reference) at each token: q - log q - 1, q = reference / policy.

    Never negative, and unbiased for tokens drawn from the policy.
    """
    # E[q] = 1 under the policy, so q - 1 adds nothing on average, but cancels most of the variance of -log q.
    log_quotient = reference_log_probs - log_probs
    return log_quotient.exp() - log_quotient - 1


def aggregate(values: Tensor, lengths: Sequence[int], how: Aggregation = "token") -> Tensor:
    """One number of the tokens' values, (tokens,), response by response; lengths has each response's tokens.

    `token`: the mean over the tokens. `sequence`: the mean over the responses of each one's mean. A response without
    tokens is not allowed.
    """
    # Over tokens, a response weighs by its length; over responses, each token of a long one weighs less, so that long
    # wrong answers cost little for each token.
    if how == "token":
        return values.sum() / len(values)
    means = [part.mean() for part in torch.split(values, list(lengths))]
    return torch.stack(means).mean()
