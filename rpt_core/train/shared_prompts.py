"""Responses to one prompt read in one row, so that their prompt goes through the model once and not once for each.

In: a causal language model, rows of token ids that begin with prompts. Out: the states that predict the responses'
tokens, the same as from a row for each response but for rounding.

A packed row is the prompt and, one after the other, its responses, each at the position numbers that follow the
prompt; a mask lets every response see the prompt and itself. With short responses (groups of 8, 20 tokens after a
prompt of 45) the model reads 40 % of the tokens, forwards and backwards. In a long row attention would cost more than
is saved, so rows are packed up to PACKED_TOKENS, and only where that saves MIN_SAVED of the tokens. The count of FLOPs
does not know of it: every response counts with its prompt, so that budgets do not depend on how rows are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from rpt_core.models.states import last_states

PACKED_TOKENS = 1024
"""Longest packed row."""
MIN_SAVED = 0.2
"""Share of the tokens that packing must save."""


@dataclass
class PackedRow:
    """A prompt with some of its responses behind it."""

    prompt: Sequence[int]
    members: list[int] = field(default_factory=list)
    """Numbers of the rows whose responses are in it."""
    responses: list[Sequence[int]] = field(default_factory=list)
    """Without their last tokens, from which nothing is predicted."""

    def __len__(self) -> int:
        return len(self.prompt) + sum(map(len, self.responses))

    def ids(self) -> list[int]:
        """The row's tokens."""
        return [token for part in (self.prompt, *self.responses) for token in part]

    def segments(self) -> list[int]:
        """0 for the prompt's tokens, 1, 2, ... for those of each response."""
        return [number for number, part in enumerate((self.prompt, *self.responses)) for _ in part]

    def positions(self) -> list[int]:
        """Position number of each token."""
        start = len(self.prompt)
        return [*range(start), *(start + i for response in self.responses for i in range(len(response)))]

    def readers(self) -> Iterator[tuple[int, int]]:
        """(member, place): where in the row each token of a member's response is predicted from."""
        place = len(self.prompt)
        for member, response in zip(self.members, self.responses, strict=True):
            yield member, len(self.prompt) - 1
            yield from ((member, place + i) for i in range(len(response)))
            place += len(response)


def pack(rows: Sequence[Sequence[int]], starts: Sequence[int]) -> list[PackedRow]:
    """Rows that begin with the same prompt together, as far as they fit. starts: where each row's response begins."""
    packed: list[PackedRow] = []
    open_rows: dict[tuple[int, ...], PackedRow] = {}
    for number, (row, start) in enumerate(zip(rows, starts, strict=True)):
        prompt, response = tuple(row[:start]), row[start:-1]
        found = open_rows.get(prompt)
        if found is None or len(found) + len(response) > PACKED_TOKENS:
            found = open_rows[prompt] = PackedRow(prompt)
            packed.append(found)
        found.members.append(number)
        found.responses.append(response)
    return packed


def saves_enough(packed: Sequence[PackedRow], rows: Sequence[Sequence[int]]) -> bool:
    """Whether the packed rows have so many fewer tokens that they are worth their mask."""
    return sum(map(len, packed)) <= (1 - MIN_SAVED) * sum(len(row) - 1 for row in rows)


def can_pack(model: Any) -> bool:
    """Whether the model's attention takes a mask like this: PyTorch's own, with every layer seeing everything."""
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    return model.config._attn_implementation == "sdpa" and kinds == {"full_attention"}


def packed_states(model: Any, packed: Sequence[PackedRow]) -> Tensor:
    """The states that predict the responses' tokens, (tokens, hidden), in the order of the rows that were packed."""
    width = max(map(len, packed))

    def padded(rows: Iterator[list[int]], value: int) -> Tensor:
        return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows], device=model.device)

    segments = padded((row.segments() for row in packed), -1)
    hidden = last_states(
        model,
        padded((row.ids() for row in packed), 0),
        attention_mask=_visible(segments)[:, None],
        position_ids=padded((row.positions() for row in packed), 0),
    )
    where = sorted((member, n * width + place) for n, row in enumerate(packed) for member, place in row.readers())
    chosen = torch.tensor([place for _, place in where], device=model.device)
    states: Tensor = hidden.reshape(-1, hidden.shape[-1]).index_select(0, chosen)
    return states


def _visible(segments: Tensor) -> Tensor:
    """(rows, width) -> (rows, width, width) bool: each token sees the prompt and its own response, as far as itself."""
    width = segments.shape[1]
    before = torch.ones(width, width, dtype=torch.bool, device=segments.device).tril()
    is_own = segments[:, :, None] == segments[:, None, :]
    return before & (is_own | (segments == 0)[:, None, :])
