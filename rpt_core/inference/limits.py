"""What the sampler in this process cannot do, told from a model's config before its weights are loaded.

In: a config of transformers, and how many tokens a prompt and its response may take. Out: a sentence, or None. The
sampler keeps keys and values only, lets every layer see everything, and turns each token's position once, when it is
written. So it cannot do recurrent layers, attention by another formula, nor what changes with the length: windows, and
RoPE whose frequencies switch. Loads without torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

OTHERS = "use a model such as Qwen2, Qwen3, Llama or Mistral, or sample with vLLM (`rollout_backend`)"
_LAYERS = ("full_attention", "sliding_attention", "chunked_attention")
"""Kinds of layers that keep keys and values of tokens; those of the last two see a part of them."""
_SINKS = ("gpt_oss",)
"""Kinds of models whose attention has a score for seeing nothing, without a word in their config."""
_WINDOWS = ("keep_window_size", "index_topk", "local_attention")
"""Further names for how many tokens a layer sees, of models that choose among those before."""


def sampler_refusal(config: Any, tokens: int, name: str) -> str | None:
    """Why the sampler cannot do prompts and responses of so many tokens together with a model; None when it can.

    name: what the sentence calls the model.
    """
    text = config.get_text_config()
    if (reason := unsupported(text)) is not None:
        return f"{name} {reason}, which the sampler here does not support: {OTHERS}."
    for limit, reason in _limits(text):
        if tokens > limit:
            return (
                f"{name} {reason.format(limit)}, but a prompt and its response may take {tokens}. Lower "
                "`max_prompt_tokens` or `max_response_tokens`, or change the model."
            )
    return None


def unsupported(text: Any) -> str | None:
    """What the sampler cannot do at any length; text: the config of the language model."""
    if other := sorted(set(getattr(text, "layer_types", None) or ()) - set(_LAYERS)):
        kinds = " and ".join(kind.replace("_", " ") for kind in other)
        return f"has layers of {kinds}"
    if getattr(text, "attn_logit_softcapping", None) is not None:
        return "caps the scores of its attention (`attn_logit_softcapping`)"
    if text.model_type in _SINKS:
        return "has attention sinks"
    return None


def _limits(text: Any) -> Iterator[tuple[int, str]]:
    """Most tokens, and what happens beyond."""
    if (most := getattr(text, "max_position_embeddings", None)) is not None:
        yield most, "takes at most {} tokens"
    if (window := attention_window(text)) is not None:
        yield window, "has layers that see only the last {} tokens"
    if (switch := rope_switch(text)) is not None:
        yield switch, "rotates its positions differently beyond {} tokens (RoPE that depends on the length)"


def attention_window(text: Any) -> int | None:
    """How far back the model's most short-sighted layers see, in tokens; None when all see everything."""
    kinds = set(getattr(text, "layer_types", None) or ["sliding_attention"])
    windows = [getattr(text, "sliding_window", None) if "sliding_attention" in kinds else None]
    windows.append(getattr(text, "attention_chunk_size", None) if "chunked_attention" in kinds else None)
    windows += [getattr(text, name, None) for name in _WINDOWS]
    return min((window for window in windows if isinstance(window, int) and window > 0), default=None)


def rope_switch(text: Any) -> int | None:
    """Most tokens for which RoPE's frequencies stay those of the first ones; None when they never change."""
    parameters = getattr(text, "rope_parameters", None) or {}
    nested = [part for part in parameters.values() if isinstance(part, dict) and "rope_type" in part]
    found = []
    for part in nested or [parameters]:
        kind = part.get("rope_type") or "default"
        if kind == "longrope":
            found.append(part.get("original_max_position_embeddings"))
        elif "dynamic" in kind:
            found.append(getattr(text, "max_position_embeddings", None))
    return min((switch for switch in found if switch is not None), default=None)
