"""A model's uncertainty at each token of a text: the entropy of its most probable next tokens, and the argmax.

In: a Hugging Face causal language model, texts as token ids. Out: entropies in nats, argmax ids and their
probabilities, one for each token.
Section 3.2 of the paper takes the entropy over the sixteen most probable next tokens; it does not say whether these are
renormalised. Here they are, with the partial sum and the full vocabulary as options.

Memory is bounded by the longest batch and one chunk of positions: the logits of a whole batch never exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from rpt_core.arrays import Floats, Indices
from rpt_core.inference.limits import rope_switch
from rpt_core.models.states import last_states, refuse_rescaled_logits

EntropyKind = Literal["renormalised", "partial", "full"]
_BLOCK = 64
_SUMMED_POSITIONS = 128
"""Whose logits exist in a wider number format at one time."""
_CPU_CHUNK_LOGITS = 16_000_000
"""A CPU reads 64 MB of logits faster than more of them; much smaller chunks make its threads wait for each other."""


@dataclass(frozen=True)
class ScoreRule:
    """How texts are scored."""

    top_k: int = 16
    entropy: EntropyKind = "renormalised"
    batch_tokens: int = 16384
    """Padded tokens in one pass."""
    chunk_positions: int = 2048
    """Positions whose logits exist at one time."""


@dataclass(frozen=True)
class Scores:
    """What the proxy expects at each token of a sequence, from the tokens before it."""

    entropies: Floats
    """Nats, one for each token; NaN at the first."""
    argmax_ids: Indices
    """The most probable token; -1 at the first."""
    highest_probabilities: Floats
    """Of that token, among the whole vocabulary; NaN at the first."""

    @classmethod
    def missing(cls, tokens: int) -> Scores:
        """What a sequence has before it is read."""
        nothing = np.full(tokens, np.nan, np.float32)
        return cls(nothing, np.full(tokens, -1, np.int64), nothing.copy())


def top_k_entropy(logits: Tensor, k: int = 16, renormalise: bool = True) -> Tensor:
    """Entropy in nats of the k most probable tokens, over the last axis: (..., vocabulary) -> (...).

    renormalise: their probabilities are scaled to sum to 1; otherwise this is their part of the full entropy.
    """
    return _entropy_and_argmax(logits, k, "renormalised" if renormalise else "partial")[0]


def full_entropy(logits: Tensor) -> Tensor:
    """Entropy in nats over the whole vocabulary: (..., vocabulary) -> (...)."""
    # entr(p) = -p log p, and 0 at p = 0, where the product would be NaN.
    shares = logits.softmax(-1, dtype=_accurate(logits))  # (..., vocabulary)
    entropy: Tensor = torch.special.entr(shares).sum(-1)
    return entropy


def score(
    model: Any,
    sequences: Sequence[Sequence[int]],
    *,
    top_k: int = 16,
    entropy: EntropyKind = "renormalised",
    batch_tokens: int = 16384,
    chunk_positions: int = 2048,
    after_batch: Callable[[], None] | None = None,
) -> list[Scores]:
    """Entropy and argmax at each token of each sequence, from one causal pass in batches of similar length.

    model: a Hugging Face causal language model. Sequences longer than it can take are read in windows that overlap
    by half. after_batch is called between batches; what it raises ends the scan.
    """
    refuse_rescaled_logits(model)
    found = [Scores.missing(len(sequence)) for sequence in sequences]
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 2**31
    windows = [w for index, s in enumerate(sequences) for w in windows_of(index, len(s), limit)]
    was_training = model.training
    model.eval()
    try:
        for batch in _batches(windows, batch_tokens, rope_switch(model.config.get_text_config())):
            _score_batch(model, sequences, batch, found, (top_k, entropy, chunk_positions))
            if after_batch is not None:
                after_batch()
    finally:
        model.train(was_training)
    return found


@dataclass(frozen=True)
class Window:
    """A stretch of a sequence that is read in one pass; its tokens from `new` on get their scores from it."""

    sequence: int
    start: int
    end: int
    new: int


def windows_of(sequence: int, length: int, limit: int) -> Iterator[Window]:
    """Windows that cover a sequence: each new token sees at least half a window before it."""
    start, new = 0, 1  # nothing comes before the first token, so nothing predicts it
    while new < length:
        end = min(start + limit, length)
        yield Window(sequence, start, end, new)
        start, new = max(end - max(limit // 2, 1), start + 1), end


def _batches(windows: list[Window], batch_tokens: int, switch: int | None) -> Iterator[list[Window]]:
    """Windows of similar length together, the longest first, so that too little memory shows at once.

    switch: a length beyond which the model reads all of a batch otherwise; windows on either side go apart.
    """
    batch: list[Window] = []
    for window in sorted(windows, key=lambda w: w.start - w.end):
        longest = batch[0].end - batch[0].start if batch else 0
        is_across = switch is not None and window.end - window.start <= switch < longest
        if batch and (is_across or (len(batch) + 1) * longest > batch_tokens):
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch


@torch.inference_mode()
def _score_batch(
    model: Any,
    sequences: Sequence[Sequence[int]],
    batch: list[Window],
    found: list[Scores],
    how: tuple[int, EntropyKind, int],
) -> None:
    top_k, kind, chunk_positions = how
    hidden = _hidden(model, [sequences[w.sequence][w.start : w.end] for w in batch], batch)  # (positions, width)
    head = model.get_output_embeddings()
    if hidden.device.type == "cpu" and (vocabulary := getattr(head, "out_features", 0)):
        chunk_positions = min(chunk_positions, max(64, _CPU_CHUNK_LOGITS // vocabulary))
    # (positions, width) -> (chunk, vocabulary) -> (chunk,): only one chunk's logits exist at a time.
    chunks = [_scores_of(head(part), top_k, kind) for part in torch.split(hidden, chunk_positions)]
    entropies, argmax, highest = (torch.cat(parts).cpu().numpy() for parts in zip(*chunks, strict=True))
    at = 0
    for w in batch:
        scores, read = found[w.sequence], slice(at, at + w.end - w.new)
        scores.entropies[w.new : w.end] = entropies[read]
        scores.argmax_ids[w.new : w.end] = argmax[read]
        scores.highest_probabilities[w.new : w.end] = highest[read]
        at += w.end - w.new


def _hidden(model: Any, rows: list[Sequence[int]], batch: list[Window]) -> Tensor:
    """The last hidden states from which the batch's new tokens are predicted: (positions, width).

    Rows are padded on the right, where a causal model cannot see it: no mask is needed.
    """
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows], device=model.device)
    states = last_states(model, ids)
    # The state of token i predicts token i + 1: hence the shift by one.
    return torch.cat([states[row, w.new - 1 - w.start : w.end - 1 - w.start] for row, w in enumerate(batch)])


def _scores_of(logits: Tensor, k: int, kind: EntropyKind) -> tuple[Tensor, Tensor, Tensor]:
    """(positions, vocabulary) -> entropy in nats, most probable token and its probability, all (positions,)."""
    entropy, argmax = _entropy_and_argmax(logits, k, kind)
    return entropy.float(), argmax, _probability_of(logits, argmax)


def _probability_of(logits: Tensor, ids: Tensor) -> Tensor:
    """(positions, vocabulary), (positions,) -> each position's probability of its token, (positions,).

    In parts: the whole vocabulary in float32 would double the memory of a chunk.
    """
    found = []
    for part, at in zip(*(torch.split(values, _SUMMED_POSITIONS) for values in (logits, ids)), strict=True):
        wide = part.to(_accurate(part))
        found.append(wide.gather(-1, at[:, None])[:, 0] - wide.logsumexp(-1))
    return torch.cat(found).exp().float()


def _entropy_and_argmax(logits: Tensor, k: int, kind: EntropyKind) -> tuple[Tensor, Tensor]:
    """(..., vocabulary) -> entropy in nats and the most probable token, both (...)."""
    if kind == "full":
        return full_entropy(logits), logits.argmax(-1)
    k = min(k, logits.shape[-1])
    # Renormalised, the softmax over the top k alone is enough: the sum over the rest cancels. The partial sum needs the
    # probabilities themselves, so it normalises over the whole vocabulary before the top k are taken.
    if kind == "partial":
        logits = logits.log_softmax(-1, dtype=_accurate(logits))
    top, argmax = _top(logits, k)
    top = top.to(_accurate(top))
    shares = top.softmax(-1) if kind == "renormalised" else top.exp()
    return torch.special.entr(shares).sum(-1), argmax


def _top(logits: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest logits, (..., k) in falling order, and the place of the largest, (...).

    For a large vocabulary the k largest are looked for only in the k blocks with the largest maxima, where they must
    be: taking maxima is several times faster than torch.topk over everything.
    """
    size = logits.shape[-1]
    if size < _BLOCK * k * 8:
        top, places = logits.topk(k, dim=-1)
        return top, places[..., 0]
    whole = size - size % _BLOCK
    blocks = torch.unflatten(logits[..., :whole], -1, (-1, _BLOCK))  # (..., blocks, _BLOCK)
    # A block whose maximum is not among the k largest maxima holds none of the k largest: k values are above it.
    chosen = blocks.amax(-1).topk(k, dim=-1).indices  # (..., k)
    inside = blocks.take_along_dim(chosen[..., None], dim=-2).flatten(-2)
    rest = logits[..., whole:]
    top, places = (torch.cat([inside, rest], dim=-1) if rest.shape[-1] else inside).topk(k, dim=-1)
    # The place among the candidates, back to a place in the vocabulary: (block, offset), or the rest after the blocks.
    first = places[..., :1]
    block = chosen.gather(-1, (first // _BLOCK).clamp_max(k - 1))
    found = torch.where(first < k * _BLOCK, block * _BLOCK + first % _BLOCK, first - k * _BLOCK + whole)
    return top, found[..., 0]


def _accurate(logits: Tensor) -> torch.dtype:
    """Sums are taken in float32 at least."""
    return torch.float64 if logits.dtype == torch.float64 else torch.float32
