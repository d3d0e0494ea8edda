"""Log-probs of a question's options as continuations of its prompt, the standard mode of multiple choice.

In: a causal language model, prompts with their options in tokens. Out: for each question the total log-prob of each
option's tokens, in nats. Options that are one token each, as letters are, share one pass over their prompt. Rows are
padded on the left, so that logits are computed only where an option is read; any model that transformers can run will
do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rpt_core.errors import UserError
from rpt_core.inference.rollout import PromptWithOptions

BATCH_TOKENS = 16384
"""Padded tokens in one pass."""
LOGIT_ROWS = 512
"""Positions whose logits exist at one time: 300 MB for a vocabulary of 150,000."""


@dataclass(frozen=True)
class _Row:
    """One pass: a prompt with all but the last token of an option, and the options that can be read off it."""

    question: int
    ids: list[int]
    read: int
    """How many of the last positions are read."""
    options: list[int]


@torch.inference_mode()
def option_log_probs(
    model: Any, questions: Sequence[PromptWithOptions], before_batch: Callable[[int, int], None] | None = None
) -> list[list[float]]:
    """Total log-prob of each option of each question.

    before_batch gets how many passes are done, of how many; it may raise. Raises UserError when a question
    is longer than the model can read.
    """
    _check_length(model, max((question.tokens for question in questions), default=0))
    found = [[0.0] * len(question.options) for question in questions]
    rows = sorted((row for n, question in enumerate(questions) for row in _rows(n, question)), key=lambda r: len(r.ids))
    done = 0
    for batch in _batches(rows):
        if before_batch is not None:
            before_batch(done, len(rows))
        log_probs = _last_log_probs(model, batch)
        for row, scores in zip(batch, log_probs, strict=True):
            for option in row.options:
                targets = torch.tensor(questions[row.question].options[option], device=scores.device)
                found[row.question][option] = float(scores[-row.read :].gather(-1, targets[:, None]).sum())
        done += len(batch)
    return found


def _check_length(model: Any, tokens: int) -> None:
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if limit is not None and tokens > limit:
        raise UserError(
            f"{type(model).__name__} reads at most {limit} tokens, but a question with its options has {tokens}. Lower "
            "`max_prompt_tokens`, which leaves such questions out, or use another model."
        )


def _rows(number: int, question: PromptWithOptions) -> list[_Row]:
    stems: dict[tuple[int, ...], list[int]] = {}
    for option, ids in enumerate(question.options):
        stems.setdefault(tuple(ids[:-1]), []).append(option)
    return [_Row(number, [*question.prompt_ids, *stem], len(stem) + 1, options) for stem, options in stems.items()]


def _batches(rows: Sequence[_Row]) -> Iterator[list[_Row]]:
    """Rows of similar length together; both the tokens and the positions that are read are bounded."""
    batch: list[_Row] = []
    for row in rows:
        size, read = len(batch) + 1, max(r.read for r in [*batch, row])
        if batch and (size * len(row.ids) > BATCH_TOKENS or size * read > LOGIT_ROWS):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _last_log_probs(model: Any, batch: Sequence[_Row]) -> Tensor:
    """(rows, positions read, vocabulary), the last position of each row last."""
    width, read = max(len(row.ids) for row in batch), max(row.read for row in batch)
    padding = [width - len(row.ids) for row in batch]
    ids = torch.tensor([[*[0] * pad, *row.ids] for pad, row in zip(padding, batch, strict=True)], device=model.device)
    slots = torch.arange(width, device=ids.device)
    positions = slots - torch.tensor(padding, device=ids.device)[:, None]
    output = model(
        input_ids=ids,
        attention_mask=(positions >= 0).long(),
        position_ids=positions.clamp(min=0),
        use_cache=False,
        logits_to_keep=read,
    )
    log_probs: Tensor = output.logits[:, -read:].float().log_softmax(-1)
    return log_probs
