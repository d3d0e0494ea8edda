"""Group-relative policy optimisation: advantages of a group's responses, and the clipped loss over their tokens.

In: rewards, log-probs. Out: tensors; nothing here knows models or text. Follows DeepSeekMath's GRPO as the paper
uses it (section 3.3, Table 5): no KL term, no entropy term, exactly on-policy (one update for each batch).

Where the paper is silent: the loss is a mean over all completion tokens of the batch, not a mean of each response's
mean, so that long responses are not favoured when wrong; `mean` leaves the division by the standard deviation out
(Dr. GRPO), which otherwise weighs nearly unanimous groups up.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor


def group_advantages(rewards: Tensor, normalise: Literal["std", "mean"] = "std") -> Tensor:
    """Advantage of each response within its group.

    rewards: (problems, group size). Returns the same shape: reward minus the group's mean, divided by the group's
    (population) standard deviation when normalise is `std`. A group of equal rewards has advantages of exactly 0.
    """
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    if normalise == "std":
        deviation = rewards.std(dim=1, keepdim=True, correction=0)
        centred = centred / torch.where(deviation > 0, deviation, torch.ones_like(deviation))
    return torch.where(live_groups(rewards)[:, None], centred, torch.zeros_like(centred))


def live_groups(rewards: Tensor) -> Tensor:
    """(problems, group size) -> (problems,) bool: the group's rewards differ, so that it has something to teach."""
    return rewards.amax(dim=1) > rewards.amin(dim=1)


def clipped_token_loss(
    log_probs: Tensor,
    old_log_probs: Tensor,
    advantages: Tensor,
    completion_mask: Tensor,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
) -> Tensor:
    """Mean over completion tokens of -min(r A, clip(r, 1 - clip_low, 1 + clip_high) A), r = exp(new - old log-prob).

    log_probs, old_log_probs, completion_mask: of one shape, such as (responses, tokens). advantages: a shape that
    broadcasts to it, such as (responses, 1). Tokens outside the mask count nothing; without any token the loss is 0.
    On-policy, with old_log_probs = log_probs.detach(), the ratio is 1 and the gradient is that of -A log p.
    """
    mask = completion_mask.to(log_probs.dtype)
    # Masked entries may hold anything, infinities included: they must not reach the product.
    ratio = torch.where(completion_mask.bool(), log_probs - old_log_probs, torch.zeros_like(log_probs)).exp()
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high)
    gain = torch.minimum(ratio * advantages, clipped * advantages)
    return -(gain * mask).sum() / mask.sum().clamp(min=1)
