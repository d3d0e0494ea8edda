"""Stage `filter`: a small proxy model's uncertainty at each position, and the positions worth training on.

In: a FilterConfig (corpus, proxy model, rule). Out: `positions/train.parquet` and `positions/validation.parquet`, one
row for each document (see rpt_core.positions), and the configured sets of held-out positions (rpt_core.position_sets).
Section 3.2 of the paper: positions are kept by the entropy of the proxy's sixteen most probable next tokens. The paper
does not say whether these are renormalised; here they are, in nats, with the partial sum and the full vocabulary as
options. Keeping positions at random is the control.

Memory is bounded by the longest batch and one chunk of positions: the logits of a whole batch never exist.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import Tensor

from rpt_core.config import FilterConfig, Split
from rpt_core.corpus import Document, emit_corpus, load_corpus
from rpt_core.errors import UserError
from rpt_core.events import EventType
from rpt_core.position_choice import choose_positions
from rpt_core.position_lists import PositionList, read_position_list
from rpt_core.position_sets import store_sets
from rpt_core.positions import (
    ROW_GROUP_DOCUMENTS,
    Floats,
    Indices,
    ScoredDocument,
    positions_writer,
    to_table,
    with_kept,
)
from rpt_core.stage import StageContext, StopRequested
from rpt_core.tokens import Tokenizer, prefix_ids, tokenise, tokenizer_hash

EntropyKind = Literal["renormalised", "partial", "full"]
DIFFICULTIES = {"easy": 0.5, "medium": 1.0, "hard": 1.5}
"""Nested thresholds in nats (Table 1)."""
_BLOCK = 64
_CPU_CHUNK_LOGITS = 16_000_000
"""A CPU reads 64 MB of logits faster than more of them; much smaller chunks make its threads wait for each other."""
_SCALED_HEADS = ("final_logit_softcapping", "logits_scaling", "logit_scale")


@dataclass(frozen=True)
class Scores:
    """What the proxy expects at each token of a sequence, from the tokens before it."""

    entropies: Floats
    """Nats, one for each token; NaN at the first."""
    argmax_ids: Indices
    """The most probable token; -1 at the first."""


def top_k_entropy(logits: Tensor, k: int = 16, renormalise: bool = True) -> Tensor:
    """Entropy in nats of the k most probable tokens, over the last axis: (..., vocabulary) -> (...).

    renormalise: their probabilities are scaled to sum to 1; otherwise this is their part of the full entropy.
    """
    return _entropy_and_argmax(logits, k, "renormalised" if renormalise else "partial")[0]


def full_entropy(logits: Tensor) -> Tensor:
    """Entropy in nats over the whole vocabulary: (..., vocabulary) -> (...)."""
    shares = logits.softmax(-1, dtype=_accurate(logits))
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
    _check_head(model)
    found = [Scores(np.full(len(s), np.nan, np.float32), np.full(len(s), -1, np.int64)) for s in sequences]
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 2**31
    windows = [w for index, s in enumerate(sequences) for w in windows_of(index, len(s), limit)]
    was_training = model.training
    model.eval()
    try:
        for batch in _batches(windows, batch_tokens):
            _score_batch(model, sequences, batch, found, (top_k, entropy, chunk_positions))
            if after_batch is not None:
                after_batch()
    finally:
        model.train(was_training)
    return found


def run(config: FilterConfig, context: StageContext) -> dict[str, Any]:
    """Score both splits, choose positions, write them. Returns the counts for the `finished` event."""
    from rpt_core.checkpoints import load_model

    listed = None if config.position_list is None else read_position_list(config.position_list)
    corpus = load_corpus(config.corpus)
    if listed is not None:
        listed.check_documents({d.id for d in corpus.train}, {d.id for d in corpus.validation})
    model, tokenizer = load_model(config.proxy)
    scan = _Scan(config, context, model, tokenizer, len(corpus.train) + len(corpus.validation), listed)
    context.started(0, scan.total)
    emit_corpus(corpus, context.log)
    splits: tuple[Split, Split] = ("train", "validation")
    counts = {split: scan.split(split, corpus.split(split)) for split in splits}
    if scan.changed:
        message = f"The tokenizer normalises: {scan.changed} documents are kept in its spelling, not in their own."
        context.log.emit(EventType.LOG, level="warning", message=message)
    sets = store_sets(context.run.positions, config.position_sets)
    return {
        **{f"{split}_{name}": value for split, found in counts.items() for name, value in found.items()},
        **{f"position_set_{name}": count for name, count in sets.items()},
        "tokens": scan.tokens,
        "tokens_per_second": round(scan.tokens / max(scan.seconds, 1e-9), 1),
    }


class _Scan:
    """One pass of the proxy model over the corpus."""

    def __init__(
        self,
        config: FilterConfig,
        context: StageContext,
        model: Any,
        tokenizer: Tokenizer,
        total: int,
        listed: PositionList | None,
    ) -> None:
        self.config, self.context, self.model, self.tokenizer, self.total = config, context, model, tokenizer, total
        self.listed = listed
        self.prefix = prefix_ids(tokenizer)
        self.documents = 0
        self.tokens = 0
        self.seconds = 0.0
        self.changed = 0
        """Documents whose text the tokenizer cannot spell as it stands."""

    def split(self, name: Split, documents: list[Document]) -> dict[str, int]:
        """Score, choose and write one split; returns its counts."""
        path = self.context.run.positions / f"{name}.parquet"
        scored_path = path.with_name(f"{name}-scored.parquet")
        identity = tokenizer_hash(self.tokenizer)
        candidates: list[Floats] = []
        listed: list[Indices] = []
        with positions_writer(scored_path, identity) as writer:
            for scored in self._blocks(documents):
                candidates += [document.candidates() for document in scored]
                if self.listed is not None:
                    listed += [self.listed.candidates_of(document) for document in scored]
                writer.write_table(to_table(scored))
        ids = [document.id for document in documents]
        chosen = choose_positions(self.config, ids, candidates, None if self.listed is None else listed)
        # The rule may need the whole split (top share), so the chosen positions are filled in on a second pass.
        with positions_writer(path, identity) as writer, pq.ParquetFile(scored_path) as file:
            for table, kept in _with_choice(file, chosen):
                writer.write_table(with_kept(table, kept))
        scored_path.unlink()
        return self._report(name, candidates, chosen)

    def _blocks(self, documents: list[Document]) -> Iterator[list[ScoredDocument]]:
        remaining = iter(documents)
        while block := list(islice(remaining, ROW_GROUP_DOCUMENTS)):
            start = time.perf_counter()
            scored = self._score(block)
            self.seconds += time.perf_counter() - start
            self.documents += len(block)
            self.context.progress(self.documents, self.total, "scanning documents")
            yield scored

    def _score(self, block: list[Document]) -> list[ScoredDocument]:
        read = [_read_tokens(document, self.tokenizer, self.config.positions_from) for document in block]
        self.changed += sum(found.document.text != document.text for found, document in zip(read, block, strict=True))
        sequences = [[*self.prefix, *document.token_ids] for document in read]
        config = self.config
        scores = score(
            self.model,
            sequences,
            top_k=config.top_k,
            entropy=config.entropy,
            batch_tokens=config.batch_tokens,
            chunk_positions=config.chunk_positions,
            after_batch=self._stop_if_asked,
        )
        self.tokens += sum(map(len, sequences))
        skip = len(self.prefix)
        return [_with_entropies(document, found.entropies[skip:]) for document, found in zip(read, scores, strict=True)]

    def _stop_if_asked(self) -> None:
        if self.context.stop_requested:
            raise StopRequested(self.documents)

    def _report(self, split: Split, candidates: list[Floats], chosen: list[Indices]) -> dict[str, int]:
        entropies = np.concatenate([np.empty(0, np.float32), *candidates])
        entropies = entropies[np.isfinite(entropies)]
        counts = {"documents": len(candidates), "positions": len(entropies), "kept": sum(map(len, chosen))}
        levels = {name: int((entropies > nats).sum()) for name, nats in DIFFICULTIES.items()}
        self.context.log.emit(EventType.POSITIONS, split=split, **counts, by_difficulty=levels)
        return counts


def _read_tokens(document: Document, tokenizer: Tokenizer, positions_from: str) -> ScoredDocument:
    """The document in tokens, its text as the tokenizer sees it; entropies are still missing."""
    tokenised = tokenise(tokenizer, document.text)
    start = document.solution_start
    if tokenised.text != document.text:
        before = document.text.encode()[:start].decode()
        start = len(tokenise(tokenizer, before).text.encode())
        document = replace(document, text=tokenised.text, solution_start=start)
    offsets, ids = tokenised.byte_offsets, tokenised.token_ids
    first = int(np.searchsorted(offsets[:-1], start)) if positions_from == "solution" else 1
    return ScoredDocument(document, ids, offsets, np.empty(0, np.float32), max(1, first))


def _with_entropies(document: ScoredDocument, entropies: Floats) -> ScoredDocument:
    if not np.isfinite(entropies[1:]).all():
        raise UserError(
            "The proxy model's output is not finite: its weights are damaged, or its number format is too narrow. "
            "Try `dtype: float32`, or another proxy model."
        )
    entropies = entropies.copy()
    entropies[:1] = np.nan
    entropies[np.diff(document.byte_offsets) == 0] = np.nan  # a space that is only the tokenizer's: nothing to predict
    return replace(document, entropies=entropies)


def _with_choice(file: pq.ParquetFile, chosen: list[Indices]) -> Iterator[tuple[Any, list[Indices]]]:
    """Each row group with the chosen positions of its documents."""
    start = 0
    for group in range(file.num_row_groups):
        table = file.read_row_group(group)
        first = table.column("candidates_from").to_numpy()
        kept = [chosen[start + row] + first[row] for row in range(table.num_rows)]
        start += table.num_rows
        yield table, kept


@dataclass(frozen=True)
class Window:
    """A stretch of a sequence that is read in one pass; its tokens from `new` on get their scores from it."""

    sequence: int
    start: int
    end: int
    new: int


def windows_of(sequence: int, length: int, limit: int) -> Iterator[Window]:
    """Windows that cover a sequence: each new token sees at least half a window before it."""
    start, new = 0, 1
    while new < length:
        end = min(start + limit, length)
        yield Window(sequence, start, end, new)
        start, new = max(end - max(limit // 2, 1), start + 1), end


def _batches(windows: list[Window], batch_tokens: int) -> Iterator[list[Window]]:
    """Windows of similar length together, the longest first, so that too little memory shows at once."""
    batch: list[Window] = []
    for window in sorted(windows, key=lambda w: w.start - w.end):
        if batch and (len(batch) + 1) * (batch[0].end - batch[0].start) > batch_tokens:
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
    chunks = [_entropy_and_argmax(head(part), top_k, kind) for part in torch.split(hidden, chunk_positions)]
    entropies = torch.cat([entropy for entropy, _ in chunks]).float().cpu().numpy()
    argmax = torch.cat([ids for _, ids in chunks]).cpu().numpy()
    at = 0
    for w in batch:
        found[w.sequence].entropies[w.new : w.end] = entropies[at : at + w.end - w.new]
        found[w.sequence].argmax_ids[w.new : w.end] = argmax[at : at + w.end - w.new]
        at += w.end - w.new


def _hidden(model: Any, rows: list[Sequence[int]], batch: list[Window]) -> Tensor:
    """The last hidden states from which the batch's new tokens are predicted: (positions, width).

    Rows are padded on the right, where a causal model cannot see it: no mask is needed.
    """
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows], device=model.device)
    states = model.base_model(input_ids=ids, use_cache=False).last_hidden_state  # (rows, width, hidden)
    return torch.cat([states[row, w.new - 1 - w.start : w.end - 1 - w.start] for row, w in enumerate(batch)])


def _entropy_and_argmax(logits: Tensor, k: int, kind: EntropyKind) -> tuple[Tensor, Tensor]:
    """(..., vocabulary) -> entropy in nats and the most probable token, both (...)."""
    if kind == "full":
        return full_entropy(logits), logits.argmax(-1)
    k = min(k, logits.shape[-1])
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
    chosen = blocks.amax(-1).topk(k, dim=-1).indices  # (..., k)
    inside = blocks.take_along_dim(chosen[..., None], dim=-2).flatten(-2)
    rest = logits[..., whole:]
    top, places = (torch.cat([inside, rest], dim=-1) if rest.shape[-1] else inside).topk(k, dim=-1)
    first = places[..., :1]
    block = chosen.gather(-1, (first // _BLOCK).clamp_max(k - 1))
    found = torch.where(first < k * _BLOCK, block * _BLOCK + first % _BLOCK, first - k * _BLOCK + whole)
    return top, found[..., 0]


def _accurate(logits: Tensor) -> torch.dtype:
    """Sums are taken in float32 at least."""
    return torch.float64 if logits.dtype == torch.float64 else torch.float32


def _check_head(model: Any) -> None:
    """Refuse models whose logits are more than the head's output: scores would be wrong without a word."""
    config = model.config.get_text_config()
    scaled = [name for name in _SCALED_HEADS if getattr(config, name, None) not in (None, 1, 1.0)]
    if scaled or model.get_output_embeddings() is None:
        reason = f"it rescales its logits (`{scaled[0]}`)" if scaled else "it has no output head"
        raise UserError(
            f"{type(model).__name__} cannot be the proxy model: {reason}. Take a causal language model such as Qwen2, "
            "Qwen3, Llama or Mistral."
        )
