"""Log-probs of given tokens under a model, with logits only where they count: what every training stage needs.

In: a causal language model, rows of token ids, where each row begins to count. Out: tensors to take gradients of.
Logits of a large vocabulary are made in pieces and made again in the backward pass, so that their memory is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from rpt_core.models.states import last_states, refuse_other_head
from rpt_core.train.shared_prompts import can_pack, pack, packed_states, saves_enough

LOGITS_AT_ONCE = 2**27
"""Logits in memory at once, half a gigabyte in float32; fewer are kept for the backward pass as they are."""


@dataclass(frozen=True)
class TokenScores:
    """What a model says of the counted tokens, each (counted tokens,), row by row."""

    log_probs: Tensor
    entropies: Tensor
    """Of the distribution over the whole vocabulary that each token was drawn from, in nats."""


def target_log_probs(
    model: Any, rows: Sequence[Sequence[int]], starts: Sequence[int], temperature: float = 1.0
) -> Tensor:
    """Log-probs of each row's tokens from its start on, (counted tokens,), row by row."""

    def read(states: Tensor, targets: Tensor) -> Tensor:
        return _chosen(_log_probs(model, states, temperature), targets)

    return _in_pieces(model, read, *_counted(model, rows, starts))


def score_tokens(
    model: Any,
    rows: Sequence[Sequence[int]],
    starts: Sequence[int],
    temperature: float = 1.0,
    entropy_gradient: bool = False,
) -> TokenScores:
    """As target_log_probs, and the entropies with them; these have a gradient only when it is asked for."""

    def read(states: Tensor, targets: Tensor) -> Tensor:
        log_probs = _log_probs(model, states, temperature)
        # Without the detach the backward pass would keep a second array of (tokens, vocabulary).
        entropies = token_entropies(log_probs if entropy_gradient else log_probs.detach())
        return torch.stack([_chosen(log_probs, targets), entropies])

    return TokenScores(*_in_pieces(model, read, *_counted(model, rows, starts)))


def token_entropies(log_probs: Tensor) -> Tensor:
    """Entropy in nats over the last axis of log-probs."""
    return -(log_probs.exp() * log_probs).sum(-1)  # (..., vocabulary) -> (...)


@torch.no_grad()
def next_token_log_probs(
    model: Any, contexts: Sequence[Sequence[int]], candidates: Sequence[Sequence[int]], batch_rows: int = 128
) -> list[list[float]]:
    """Log-probs of each context's candidates as its next token."""
    found: list[list[float]] = [[] for _ in contexts]
    order = sorted(range(len(contexts)), key=lambda n: len(contexts[n]))
    for start in range(0, len(order), batch_rows):
        part = order[start : start + batch_rows]
        # A target after each context, so that its last state is the one that counts; which one does not matter.
        rows = [[*contexts[n], 0] for n in part]
        states, _ = _counted(model, rows, [len(row) - 1 for row in rows])
        for n, log_probs in zip(part, _log_probs(model, states), strict=True):
            found[n] = log_probs[torch.tensor(candidates[n], dtype=torch.long, device=log_probs.device)].tolist()
    return found


def check_head(model: Any) -> None:
    """Raise UserError unless the model's logits are its output layer's: some models scale or cap them afterwards."""
    refuse_other_head(model)


def _counted(model: Any, rows: Sequence[Sequence[int]], starts: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The states that predict the counted tokens, (counted tokens, hidden), and those tokens.

    Rows that share a prompt read it together where that saves much. Otherwise rows are padded on the right, where a
    causal model cannot see it: no mask is needed.
    """
    if can_pack(model) and saves_enough(packed := pack(rows, starts), rows):
        targets = [token for row, start in zip(rows, starts, strict=True) for token in row[start:]]
        return packed_states(model, packed), torch.tensor(targets, device=model.device)
    width = max(map(len, rows)) - 1  # the last token of a row is predicted, not read
    ids = torch.tensor([[*row, *[0] * (width + 1 - len(row))] for row in rows], device=model.device)
    hidden = last_states(model, ids[:, :-1])  # (rows, width, hidden)
    # The state of token i predicts token i + 1, so a row that counts from `start` needs states from `start - 1` on.
    where = [
        n * width + i
        for n, (row, start) in enumerate(zip(rows, starts, strict=True))
        for i in range(start - 1, len(row) - 1)
    ]
    counted = torch.tensor(where, device=model.device)
    states = hidden.reshape(-1, hidden.shape[-1]).index_select(0, counted)
    return states, ids[:, 1:].reshape(-1).index_select(0, counted)


def _in_pieces(model: Any, read: Callable[[Tensor, Tensor], Tensor], states: Tensor, targets: Tensor) -> Tensor:
    """`read` of the states, whose results are joined along the last axis."""
    size = max(1, LOGITS_AT_ONCE // model.get_output_embeddings().weight.shape[0])
    if len(states) <= size:
        return read(states, targets)
    # Each piece forgets its logits, and the backward pass computes them again from its states: more time, less memory.
    pieces = zip(torch.split(states, size), torch.split(targets, size), strict=True)
    return torch.cat([checkpoint(read, *piece, use_reentrant=False) for piece in pieces], dim=-1)


def _log_probs(model: Any, states: Tensor, temperature: float = 1.0) -> Tensor:
    """(tokens, vocabulary)"""
    logits: Tensor = model.get_output_embeddings()(states)
    # The temperature that was sampled with: the gradient must be that of the distribution that the tokens came from.
    # Float32, since a sum over a large vocabulary loses digits in half precision.
    return torch.log_softmax(logits.float() / temperature, -1)


def _chosen(log_probs: Tensor, targets: Tensor) -> Tensor:
    return log_probs.gather(-1, targets[:, None])[:, 0]
