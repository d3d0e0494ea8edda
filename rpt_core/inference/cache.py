"""Keys and values of groups of rows that decode in lock step.

A prompt's entries are kept once for its whole group; each row has entries of its own for generated tokens only, written
in place. So nothing is copied when the rows of a group start, and little when finished rows are dropped; at the paper's
size (prompts of 4,096 tokens, groups of 8) the prompts take an eighth of the memory.

In: what transformers' attention layers give to a cache (`update`, `get_seq_length`). Out: `LayerEntries`, which only
`rpt_core.inference.attention.attend` understands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

FIRST_SPACE = 64
"""Slots for generated tokens at the start; doubled when they are full, so that memory follows the longest live row."""
DROP_GROUPS_AT = 0.75
"""Prompts are dropped once so many of the groups have live rows: copying the others at each end would cost more."""


@dataclass(frozen=True)
class LayerEntries:
    """What the rows of a batch can look back at in one layer. Heads are those that keys and values have."""

    prompt_keys: Tensor
    """(groups, heads, prompt slots, size)"""
    prompt_values: Tensor
    keys: Tensor
    """(rows, heads, generated slots, size)"""
    values: Tensor
    group_size: int
    places: Tensor
    """(rows x heads,) place of each row's head among groups x heads x group size."""


class LockStepCache:
    """First takes the prompts, one row each; after `start_rows`, one token at a time of every live row."""

    def __init__(self, group_size: int, max_new: int) -> None:
        self.group_size, self.max_new = group_size, max_new
        self.length = 0
        """Generated tokens of each row."""
        self._rows = torch.empty(0, dtype=torch.long)  # place of each live row among groups x group size
        self._places = self._rows
        self._prompt_keys: list[Tensor] = []
        self._prompt_values: list[Tensor] = []
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []

    def update(self, key: Tensor, value: Tensor, layer_idx: int, *args: Any, **kwargs: Any) -> Any:
        """Store a layer's new entries (rows, heads, new, size); returns what attention needs, twice."""
        if layer_idx == len(self._prompt_keys):
            # Contiguous, or every product over them would copy them.
            self._prompt_keys.append(key.contiguous())
            self._prompt_values.append(value.contiguous())
            return key, value
        end = self.length + 1
        keys, values = self._keys[layer_idx][:, :, :end], self._values[layer_idx][:, :, :end]
        keys[:, :, self.length :] = key
        values[:, :, self.length :] = value
        prompt = self._prompt_keys[layer_idx], self._prompt_values[layer_idx]
        entries = LayerEntries(*prompt, keys, values, self.group_size, self._places)
        return entries, entries

    def get_seq_length(self, layer_idx: int = 0, *args: Any, **kwargs: Any) -> int:
        """Number of slots in use."""
        return (self._prompt_keys[0].shape[2] if self._prompt_keys else 0) + self.length

    @property
    def is_used(self) -> bool:
        """Whether the model put its prompts here; models without attention do not."""
        return bool(self._prompt_keys)

    def start_rows(self) -> None:
        """Make space for the first tokens of `group_size` rows for each prompt."""
        slots = min(FIRST_SPACE, self.max_new)
        first = self._prompt_keys[0]
        self._place(torch.arange(len(first) * self.group_size, device=first.device))
        self._keys = [_empty_rows(entry, self.group_size, slots) for entry in self._prompt_keys]
        self._values = [_empty_rows(entry, self.group_size, slots) for entry in self._prompt_values]

    def next_slot(self) -> None:
        """Go on to the next token; call when all layers have stored one."""
        self.length += 1
        slots = self._keys[0].shape[2]
        if self.length == slots < self.max_new:
            slots = min(2 * slots, self.max_new)
            self._keys = [_widen(entry, slots) for entry in self._keys]
            self._values = [_widen(entry, slots) for entry in self._values]

    def keep(self, rows: Tensor) -> Tensor | None:
        """Drop all rows but these (indices); returns the indices of the groups kept when groups were dropped too."""
        self._keys = [entry.index_select(0, rows) for entry in self._keys]
        self._values = [entry.index_select(0, rows) for entry in self._values]
        kept = self._rows[rows]
        groups: Tensor
        groups, number = torch.unique(kept // self.group_size, return_inverse=True)
        if len(groups) > DROP_GROUPS_AT * len(self._prompt_keys[0]):
            self._place(kept)
            return None
        self._place(number * self.group_size + kept % self.group_size)
        self._prompt_keys = [entry.index_select(0, groups) for entry in self._prompt_keys]
        self._prompt_values = [entry.index_select(0, groups) for entry in self._prompt_values]
        return groups

    def _place(self, rows: Tensor) -> None:
        """Note where the live rows stand, and where each of their heads does."""
        heads = self._prompt_keys[0].shape[1]
        groups, samples = rows // self.group_size, rows % self.group_size
        by_head = torch.arange(heads, device=rows.device) + heads * groups[:, None]
        self._rows, self._places = rows, (by_head * self.group_size + samples[:, None]).flatten()


def _empty_rows(prompts: Tensor, group_size: int, slots: int) -> Tensor:
    """Space without content: a slot is written before it is read."""
    groups, heads, _, size = prompts.shape
    return prompts.new_empty(groups * group_size, heads, slots, size)


def _widen(entry: Tensor, slots: int) -> Tensor:
    rows, heads, used, size = entry.shape
    new = entry.new_empty(rows, heads, slots, size)
    new[:, :, :used] = entry
    return new
