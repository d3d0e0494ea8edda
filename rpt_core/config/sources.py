"""Where defaults come from that are published: by stage and setting. All others are choices that docs/method.md gives.

In: a stage and the dotted name of a setting. Out: the source in a few words, for the form; empty for a choice of ours.
Loads without torch and numpy.
"""

from __future__ import annotations

HYPER_PARAMETERS, LEVELS = "the paper, Table 5", "the paper, Table 1"
_OF_RPT = frozenset(
    {
        "steps",
        "batch_problems",
        "group_size",
        "optimiser.learning_rate",
        "optimiser.betas",
        "optimiser.weight_decay",
        "optimiser.max_grad_norm",
        "sampling.temperature",
        "sampling.max_response_tokens",
        "prompt.max_prompt_tokens",
        "grpo.kl_coefficient",
        "grpo.entropy_coefficient",
    }
)
"""Settings of stage `rpt` whose defaults are the paper's hyper-parameters."""
_LEVELS = ("easy_nats", "medium_nats", "hard_nats")


def source_of(stage: str, name: str) -> str:
    """Where the default of a setting was published."""
    if stage == "rpt" and name in _OF_RPT:
        return HYPER_PARAMETERS
    return LEVELS if name.rpartition(".")[2] in _LEVELS else ""


def published_settings() -> list[str]:
    """Settings of stage `rpt` that Table 5 gives."""
    return sorted(_OF_RPT)
