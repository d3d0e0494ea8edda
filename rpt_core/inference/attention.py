"""Attention of one new token for each row, over prompts that groups share and the tokens that each row generated.

In: queries, the cache's `LayerEntries`. Out: attention outputs; equal to what the model's own attention would give.
All rows of a group meet their prompt in one matrix product, where the stock functions take a copy of the prompt for
each row (and of keys and values for each query head that shares them). It is registered with transformers under a name
of its own, and switched on while tokens are decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface

from rpt_core.errors import UserError
from rpt_core.inference.cache import LayerEntries

NAME = "rpt_lock_step"
_VARIANTS = ("softcap", "s_aux")
"""Arguments by which some models ask for another formula."""


def attend(
    module: Any,
    query: Tensor,
    key: LayerEntries,
    value: LayerEntries,
    attention_mask: Tensor,
    scaling: float,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """query: (rows, query heads, 1, size of a key). attention_mask: (groups, 1, 1, prompt slots), added to scores of
    the prompt's slots; generated slots need none. Returns (rows, 1, query heads, size of a value).
    """
    for name in _VARIANTS:
        if kwargs.get(name) is not None:
            raise UserError(
                f"This model's attention uses {name!r}, which the sampler does not support. Use another model."
            )
    entries = key
    rows, query_heads, _, _ = query.shape
    groups, heads, prompt_slots, _ = entries.prompt_keys.shape
    # Query heads that share keys stand together; one batch entry of the products is a row's or a group's head.
    queries = query.reshape(rows * heads, query_heads // heads, -1) * scaling  # (row heads, sharing, size)
    scores = torch.cat([_prompt_scores(queries, entries, attention_mask), _own_scores(queries, entries)], -1)
    weights = scores.softmax(-1, dtype=torch.float32).to(query.dtype)  # (row heads, sharing, slots)
    prompt_values = entries.prompt_values.view(groups * heads, prompt_slots, -1)
    output = _to_rows(torch.bmm(_to_groups(weights[..., :prompt_slots], entries), prompt_values), entries)
    output = output + torch.bmm(weights[..., prompt_slots:], entries.values.flatten(0, 1))
    return output.reshape(rows, 1, query_heads, -1), None


@contextmanager
def lock_step_attention(model: Any) -> Iterator[None]:
    """Use `attend` in the block. Raises UserError if the model's class does not allow its attention to be replaced."""
    before = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    if model.config._attn_implementation != NAME:
        raise UserError(
            f"{type(model).__name__} does not allow its attention to be replaced, which the sampler needs. "
            "Use a model such as Qwen2, Qwen3, Llama or Mistral."
        )
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _prompt_scores(queries: Tensor, entries: LayerEntries, mask: Tensor) -> Tensor:
    """(row heads, sharing, prompt slots)"""
    by_group = _to_groups(queries, entries)  # (group heads, group size x sharing, size)
    scores = torch.bmm(by_group, entries.prompt_keys.flatten(0, 1).transpose(1, 2))
    scores.view(*entries.prompt_keys.shape[:2], *scores.shape[1:]).add_(mask)
    return _to_rows(scores, entries)


def _own_scores(queries: Tensor, entries: LayerEntries) -> Tensor:
    """(row heads, sharing, generated slots)"""
    return torch.bmm(queries, entries.keys.flatten(0, 1).transpose(1, 2))


def _to_groups(items: Tensor, entries: LayerEntries) -> Tensor:
    """(row heads, sharing, n) -> (group heads, group size x sharing, n). Places of dropped rows hold anything."""
    groups, heads, _, _ = entries.prompt_keys.shape
    _, sharing, n = items.shape
    spread = items.new_empty(groups * heads * entries.group_size, sharing, n)
    return spread.index_copy_(0, entries.places, items).view(groups * heads, -1, n)


def _to_rows(grouped: Tensor, entries: LayerEntries) -> Tensor:
    """The way back: (group heads, group size x sharing, n) -> (row heads, sharing, n)."""
    group_heads, _, n = grouped.shape
    return grouped.view(group_heads * entries.group_size, -1, n).index_select(0, entries.places)


AttentionInterface.register(NAME, attend)
