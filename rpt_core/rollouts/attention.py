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
from rpt_core.rollouts.cache import LayerEntries

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
    """query: (rows, query heads, 1, size). attention_mask: (groups, 1, 1, prompt slots), added to the scores of the
    prompt's slots; generated slots need none. Returns (rows, 1, query heads, size).
    """
    for name in _VARIANTS:
        if kwargs.get(name) is not None:
            raise UserError(f"This model's attention uses {name!r}, which the sampler cannot do. Take another model.")
    entries = key
    rows, query_heads, _, size = query.shape
    _, heads, prompt_slots, _ = entries.prompt_keys.shape
    # Query heads that share keys stand together: (rows, heads, sharing, size).
    queries = query.reshape(rows, heads, -1, size) * scaling
    by_group = _to_groups(queries, entries)  # (groups, heads, group size x sharing, size)
    prompt_scores = torch.matmul(by_group, entries.prompt_keys.transpose(2, 3)) + attention_mask
    own_scores = torch.matmul(queries, entries.keys.transpose(2, 3))
    scores = torch.cat([_to_rows(prompt_scores, entries, queries.shape[2]), own_scores], -1)
    weights = scores.softmax(-1, dtype=torch.float32).to(query.dtype)
    prompt_weights = _to_groups(weights[..., :prompt_slots], entries)
    output = _to_rows(torch.matmul(prompt_weights, entries.prompt_values), entries, queries.shape[2])
    output = output + torch.matmul(weights[..., prompt_slots:], entries.values)
    return output.reshape(rows, 1, query_heads, size), None


@contextmanager
def lock_step_attention(model: Any) -> Iterator[None]:
    """Use `attend` in the block. Raises UserError when the model's class does not let its attention be exchanged."""
    before = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    if model.config._attn_implementation != NAME:
        raise UserError(
            f"{type(model).__name__} does not let its attention be exchanged, which the sampler needs. "
            "Take a model such as Qwen2, Qwen3, Llama or Mistral."
        )
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _to_groups(rows: Tensor, entries: LayerEntries) -> Tensor:
    """(rows, heads, sharing, n) -> (groups, heads, group size x sharing, n); rows that were dropped are zeros."""
    groups = len(entries.prompt_keys)
    _, heads, sharing, n = rows.shape
    if entries.places is not None:
        rows = rows.new_zeros(groups * entries.group_size, heads, sharing, n).index_copy_(0, entries.places, rows)
    return rows.reshape(groups, -1, heads, sharing, n).transpose(1, 2).reshape(groups, heads, -1, n)


def _to_rows(grouped: Tensor, entries: LayerEntries, sharing: int) -> Tensor:
    """The way back: (groups, heads, group size x sharing, n) -> (rows, heads, sharing, n)."""
    groups, heads, _, n = grouped.shape
    rows = grouped.reshape(groups, heads, -1, sharing, n).transpose(1, 2).reshape(-1, heads, sharing, n)
    return rows if entries.places is None else rows.index_select(0, entries.places)


AttentionInterface.register(NAME, attend)
