"""The metrics of training steps: every name there is, and what its number means.

In: a step's values. Out: its `metrics` event. Stages and engines emit by these names and no others, charts draw them,
and verl's are translated into them (`verl_backend.records`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rpt_core.run.events import EventLog, EventType

METRICS: Final[Mapping[str, str]] = {
    # What the responses earned and looked like; shares are of the step's responses, fractions of 1.
    "reward_mean": "mean reward",
    "share_boxed": "share with a closed box after the thought",
    "share_matched": "share whose prediction is a prefix of the continuation on a token boundary (Eq. 3)",
    "share_cut": "share cut by the length limit",
    "share_all_zero": "share of groups whose responses all earn the same, 0 or less",
    "share_all_one": "share of groups whose responses all earn the same, above 0",
    "response_tokens_mean": "mean length of a response, tokens",
    "predicted_bytes_mean": "mean length of a prediction, bytes",
    "mean_negative_log_prob": "mean negative log-prob of the sampled tokens, nats",
    "share_no_box": "share without a box",
    "share_several_boxes": "share with several boxes",
    "share_blank_prediction": "share with nothing but white space in the box",
    "share_right_but_blanks": "share wrong by white space at the ends alone",
    "first_token_gap": "share whose first token is right, minus share_matched",
    "share_target_quoted": "share whose thought contains the true next token",
    "answers_given_up": "answers whose comparison took too long",
    # Dynamic sampling, groups of the step.
    "groups_sampled": "groups sampled",
    "dropped_all_zero": "groups dropped since nothing was earned",
    "dropped_all_one": "groups dropped since all earned the same above 0",
    "dropped_band": "groups dropped outside the band of pass rates",
    "share_dropped": "share of groups dropped",
    "groups_surplus": "groups sampled beyond the batch",
    "extra_batches": "further batches sampled",
    "tokens_dropped": "tokens of dropped groups",
    "flops_dropped": "FLOPs of sampling the dropped groups",
    # The update.
    "loss": "loss; supervised: nats for each token",
    "gradient_norm": "norm of the gradient before clipping",
    "learning_rate": "learning rate of the step",
    "entropy_nats": "mean entropy of the policy at the tokens learnt from, nats",
    "kl": "k3 estimate of KL(policy || first policy), nats for each token",
    "ratio_mean": "mean probability ratio, new policy over the one that sampled",
    "share_clipped": "share of tokens outside the clip range",
    "sampler_log_prob_gap": "mean absolute difference of log-probs between sampler and trainer, nats",
    "rollout_probability_gap_mean": "mean difference of probabilities between verl's rollout and its trainer",
    "rollout_probability_gap_max": "largest difference of probabilities between verl's rollout and its trainer",
    "responses_learnt": "distinct right responses learnt from",
    "updates": "optimiser updates of the round",
    "steps_skipped": "steps skipped so far since a number was not finite",
    # Cost.
    "seconds_sampling": "seconds of sampling",
    "seconds_update": "seconds of learning",
    "seconds": "seconds of the step",
    "tokens_per_second": "tokens read, written and trained on, for each second",
    "flops": "FLOPs of the step (docs/method.md)",
}

HIGHER_IS_BETTER: Final = frozenset({"reward_mean", "share_boxed", "share_matched", "tokens_per_second"})
LOWER_IS_BETTER: Final = frozenset(
    {
        "loss",
        "share_cut",
        "share_all_zero",
        "share_no_box",
        "share_several_boxes",
        "share_blank_prediction",
        "share_right_but_blanks",
        "share_dropped",
        "answers_given_up",
        "sampler_log_prob_gap",
        "steps_skipped",
        "seconds",
    }
)
"""Metrics of which one end is the better one; of the others, such as the length of responses, neither is by itself."""


def emit_metrics(log: EventLog, step: int, values: Mapping[str, float], flops: float) -> None:
    """Write a step's `metrics` event. flops: training compute so far. Raises ValueError for a name not listed above."""
    if unknown := values.keys() - METRICS.keys():
        raise ValueError(f"rpt_core.run.metrics does not list {', '.join(sorted(unknown))}")
    log.emit(EventType.METRICS, step=step, values=dict(values), flops=flops)
