"""A model's own pass: the states that its output layer reads, and whether that layer's output is its logits.

In: a causal language model of transformers, token ids. Out: last hidden states. Scoring and training read the states
and apply the output layer themselves, so that logits of a large vocabulary never exist all at once; `refuse_other_head`
says of which models that would be wrong.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor

from rpt_core.errors import UserError, reading

_OTHERS = "Use a model such as Qwen2, Qwen3, Llama or Mistral."
_RESCALED = ("final_logit_softcapping", "logits_scaling", "logit_scale", "lm_head_multiplier")
_TOLERANCE = 1e-3
_PROBE = 4
"""Tokens of the pass that compares."""
_known: WeakSet[Any] = WeakSet()
"""Models that were compared."""


def last_states(model: Any, ids: Tensor, **more: Any) -> Tensor:
    """(rows, width) token ids -> (rows, width, hidden): what the output layer reads. more: mask and positions."""
    body = model.base_model
    if body is model and hasattr(model, "model"):  # Llama 4's text model names its body unlike the others
        body = model.model
    output = body(input_ids=ids, use_cache=False, **more)
    states: Tensor | None = getattr(output, "last_hidden_state", None)
    if states is None:
        raise UserError(f"{type(model).__name__} does not give the states that its logits come from. {_OTHERS}")
    return states


def refuse_rescaled_logits(model: Any) -> None:
    """Raise UserError for a model that has no output layer, or whose config says that it changes what that gives."""
    config, name = model.config.get_text_config(), type(model).__name__
    if model.get_output_embeddings() is None:
        raise UserError(f"{name} has no output layer. {_OTHERS}")
    for key in _RESCALED:
        if getattr(config, key, None) not in (None, 1, 1.0):
            raise UserError(
                f"{name} changes its logits after its output layer (`{key}`), which is not supported here. {_OTHERS}"
            )


def refuse_other_head(model: Any) -> None:
    """Raise UserError unless the model's logits are its output layer's, and no token sees what comes after it.

    Some models scale or cap their logits after the output layer, some read in both directions. Besides the config, one
    pass over a few tokens tells; each model is asked once.
    """
    if model in _known:
        return
    refuse_rescaled_logits(model)
    name = type(model).__name__
    was_training = model.training
    model.eval()
    try:
        with reading(
            f"A first text with the {name}", f"Its config does not fit together, or it is not a text model. {_OTHERS}"
        ):
            logits, own, states, fewer = _probe(model)
    finally:
        model.train(was_training)
    if not torch.allclose(own.float(), logits.float(), rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True):
        raise UserError(f"{name} changes its logits after its output layer, which is not supported here. {_OTHERS}")
    if states.isfinite().all() and not _is_close(states[:, :-1], fewer):
        raise UserError(f"{name} sees the tokens that it is to predict: it reads in both directions. {_OTHERS}")
    _known.add(model)


@torch.inference_mode()
def _probe(model: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits, the output layer's own, and states of a few tokens; and states of all but the last of them read alone."""
    size = model.get_input_embeddings().weight.shape[0]
    ids = torch.arange(_PROBE, device=model.device)[None] % size
    states = last_states(model, ids)
    own = model.get_output_embeddings()(states)
    return model(input_ids=ids, use_cache=False).logits, own, states, last_states(model, ids[:, :-1])


def _is_close(a: Tensor, b: Tensor) -> bool:
    """Whether two readings of the same states differ by rounding alone, of the narrow number formats too."""
    scale = b.float().abs().amax().clamp_min(1e-6)
    rounding = 50 * torch.finfo(b.dtype).eps
    return bool(((a.float() - b.float()).abs().amax() / scale) <= max(rounding, _TOLERANCE))
