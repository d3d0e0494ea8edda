"""Log-probs of given tokens under a model, with logits only where they count: what every training stage needs.

In: a causal language model, rows of token ids, where each row begins to count. Out: a tensor to take gradients of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rpt_core.errors import UserError


def target_log_probs(
    model: Any, rows: Sequence[Sequence[int]], starts: Sequence[int], temperature: float = 1.0
) -> Tensor:
    """Log-probs of each row's tokens from its start on, (counted tokens,), row by row.

    Rows are padded on the right, where a causal model cannot see it: no mask is needed.
    """
    width = max(map(len, rows)) - 1
    ids = torch.tensor([[*row, *[0] * (width + 1 - len(row))] for row in rows], device=model.device)
    hidden = model.base_model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state  # (rows, width, hidden)
    where = [
        n * width + i
        for n, (row, start) in enumerate(zip(rows, starts, strict=True))
        for i in range(start - 1, len(row) - 1)
    ]
    counted = torch.tensor(where, device=model.device)
    states = hidden.reshape(-1, hidden.shape[-1]).index_select(0, counted)
    targets = ids[:, 1:].reshape(-1).index_select(0, counted)
    logits = model.get_output_embeddings()(states).float() / temperature
    return -torch.nn.functional.cross_entropy(logits, targets, reduction="none")


@torch.inference_mode()
def check_head(model: Any) -> None:
    """Raise UserError unless the model's logits are its output layer's: some models scale or cap them afterwards."""
    ids = torch.tensor([[0, 1]], device=model.device)
    logits = model(input_ids=ids, use_cache=False).logits
    states = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
    if not torch.allclose(model.get_output_embeddings()(states), logits, rtol=1e-3, atol=1e-3):
        raise UserError(
            f"{type(model).__name__} changes its logits behind its output layer, which training here does not follow. "
            "Take a model such as Qwen2, Qwen3, Llama or Mistral."
        )
