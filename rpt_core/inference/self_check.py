"""Whether the sampler can do a model: a few tokens through it must get the log-probs of the model's own forward pass.

In: a model, and how the sampler decodes. Out: nothing, or a UserError in words. What a config does not tell (an
attention by another formula, entries that a cache of another kind would hold) shows here, before anything is sampled;
what changes with the length far from the first token is told by the config (`rpt_core.inference.limits`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from rpt_core.errors import UserError, reading, said
from rpt_core.inference.limits import OTHERS, unsupported
from rpt_core.models.finite import output_not_finite

Decoded: TypeAlias = tuple[list[int], list[float]]
"""Ids and log-probs of one row."""
Decode: TypeAlias = Callable[[Sequence[Sequence[int]], int, int], list[Decoded]]
"""Prompts, group size and tokens of each response -> each row, in the order of the prompts."""
PROMPT_TOKENS = (7, 4)
"""Of different lengths, so that one is padded."""
GROUP_SIZE, TOKENS = 2, 4
LARGEST_GAP = 1e-3
"""Nats between two log-probs that are equal but for the rounding of float32."""
NARROW_GAP = 0.25
"""The same for bfloat16, for three quarters of the tokens: experts may be chosen otherwise at a near tie."""


def refuse_other_sampling(model: Any, decode: Decode) -> None:
    """Raise UserError unless `decode` gives the log-probs of the model's own forward pass."""
    name = type(model).__name__
    if (reason := unsupported(model.config.get_text_config())) is not None:
        raise UserError(f"{name} {reason}, which the sampler here does not support: {OTHERS}.")
    prompts = _prompts(model)
    with reading(f"A first text with the {name}", "Its config does not fit together, or it is not a text model."):
        is_finite = _is_finite(model, prompts[0])
    if not is_finite:
        raise output_not_finite("the logits of a first text", math.nan, model.name_or_path)
    try:
        rows = decode(prompts, GROUP_SIZE, TOKENS)
    except (UserError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # whatever a model's code makes of a cache and an attention that it does not know
        raise UserError(
            f"{name} cannot be sampled here ({said(error)}): its layers do not work as those of a "
            f"plain transformer do. Please {OTHERS}."
        ) from error
    gap = _gap(model, prompts, rows)
    if not gap <= (LARGEST_GAP if model.dtype == torch.float32 else NARROW_GAP):
        raise UserError(
            f"{name} gets different log-probs from the sampler here than from its own pass ({gap:.2g} nats apart): its "
            f"layers do not work as those of a plain transformer do. Please {OTHERS}."
        )


def _prompts(model: Any) -> list[list[int]]:
    """Ids from all over the vocabulary."""
    size = model.get_input_embeddings().weight.shape[0]
    return [[(number * 7919 + 1) % size for number in range(length)] for length in PROMPT_TOKENS]


@torch.inference_mode()
def _is_finite(model: Any, prompt: Sequence[int]) -> bool:
    logits = model(input_ids=torch.tensor([prompt], device=model.device), use_cache=False).logits
    return bool(logits.amax(-1).isfinite().all())  # some models rule tokens out with minus infinity


@torch.inference_mode()
def _gap(model: Any, prompts: Sequence[Sequence[int]], rows: Sequence[Decoded]) -> float:
    """Nats between the rows' log-probs and those of the model's pass: the largest, in bfloat16 the third quartile."""
    gaps = []
    for number, prompt in enumerate(prompts):
        group = rows[number * GROUP_SIZE : (number + 1) * GROUP_SIZE]
        told = torch.tensor([log_probs for _, log_probs in group])
        gaps.append((_own_log_probs(model, prompt, [ids for ids, _ in group]) - told).abs())
    found = torch.cat(gaps).flatten()
    return float(found.max() if model.dtype == torch.float32 else found.quantile(0.75))


def _own_log_probs(model: Any, prompt: Sequence[int], responses: Sequence[Sequence[int]]) -> Tensor:
    """(responses, tokens), on the CPU."""
    ids = torch.tensor([[*prompt, *response] for response in responses], device=model.device)
    logits = model(input_ids=ids, use_cache=False).logits[:, len(prompt) - 1 : -1]
    log_probs: Tensor = logits.float().log_softmax(-1).gather(-1, ids[:, len(prompt) :, None])
    return log_probs[..., 0].cpu()
