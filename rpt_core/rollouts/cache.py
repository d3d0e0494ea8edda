"""Keys and values of many rows that decode in lock step, written in place.

It has the two methods that transformers' attention layers call on a cache, `update` and `get_seq_length`, and three of
its own for the sampler: the prompt's entries are copied once for each response of a group, finished rows are dropped,
and the space grows by doubling, so that memory follows the longest live response and not the limit.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

FIRST_SPACE = 64
"""Slots for generated tokens at the start."""


class LockStepCache:
    """All rows write to the same slot at a time. Slots that a row does not use are hidden by the attention mask."""

    def __init__(self) -> None:
        self.keys: list[Tensor] = []  # each (rows, key-value heads, slots, head size)
        self.values: list[Tensor] = []
        self.length = 0

    def update(self, key: Tensor, value: Tensor, layer_idx: int, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Store new entries (rows, heads, new, head size) of a layer; returns all its entries up to them."""
        if layer_idx == len(self.keys):  # the prompt: kept as it comes
            self.keys.append(key)
            self.values.append(value)
            return key, value
        end = self.length + key.shape[2]
        keys, values = self.keys[layer_idx], self.values[layer_idx]
        keys[:, :, self.length : end] = key
        values[:, :, self.length : end] = value
        return keys[:, :, :end], values[:, :, :end]

    def get_seq_length(self, layer_idx: int = 0, *args: Any, **kwargs: Any) -> int:
        """Number of slots in use."""
        return self.length

    @property
    def slots(self) -> int:
        """Number of slots there is space for."""
        return self.keys[0].shape[2]

    def repeat(self, group_size: int, max_new: int) -> None:
        """Copy each row `group_size` times and make space for the first generated tokens."""
        self.length = self.slots
        slots = self.length + min(max_new, FIRST_SPACE)
        self.keys = [_resize(entry.repeat_interleave(group_size, 0), slots) for entry in self.keys]
        self.values = [_resize(entry.repeat_interleave(group_size, 0), slots) for entry in self.values]

    def keep(self, rows: Tensor) -> None:
        """Drop all rows but these (indices)."""
        self.keys = [entry.index_select(0, rows) for entry in self.keys]
        self.values = [entry.index_select(0, rows) for entry in self.values]

    def make_space(self, limit: int) -> None:
        """Be sure that one more slot is free; doubles the space, up to `limit` slots in all."""
        if self.length < self.slots:
            return
        slots = min(2 * self.slots, limit)
        self.keys = [_resize(entry, slots) for entry in self.keys]
        self.values = [_resize(entry, slots) for entry in self.values]


def _resize(entry: Tensor, slots: int) -> Tensor:
    rows, heads, used, size = entry.shape
    new = torch.zeros(rows, heads, slots, size, dtype=entry.dtype, device=entry.device)
    new[:, :, :used] = entry
    return new
