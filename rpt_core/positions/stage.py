"""Stage `filter`: a small proxy model's uncertainty at each position, and the positions worth training on.

In: a FilterConfig (corpus, proxy model, rule). Out: `positions/train.parquet` and `positions/validation.parquet`, one
row for each document (`positions.scored`), and the configured sets of held-out positions (`positions.sets`).
Section 3.2 of the paper: positions are kept by the entropy of the proxy's most probable next tokens, see
`inference.entropy`. Keeping positions at random is the control. Documents are read, scored and written a block at a
time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from rpt_core.arrays import Floats, Indices
from rpt_core.config import PAPER_NATS, FilterConfig, Split
from rpt_core.errors import UserError
from rpt_core.inference.backend import Backend, open_backend
from rpt_core.inference.entropy import ScoreRule, Scores, full_entropy, score, top_k_entropy
from rpt_core.positions.choice import choose_positions
from rpt_core.positions.lists import PositionList, read_position_list
from rpt_core.positions.scored import (
    ROW_GROUP_DOCUMENTS,
    ScoredDocument,
    in_groups,
    positions_writer,
    to_table,
    with_kept,
)
from rpt_core.positions.sets import store_sets
from rpt_core.positions.summary import summarise
from rpt_core.run.context import StageContext, StopRequested
from rpt_core.run.events import EventType
from rpt_core.run.folder import positions_file
from rpt_core.text.corpus import Corpus, Document, emit_corpus, load_corpus
from rpt_core.text.tokens import Tokenizer, prefix_ids, tokenise, tokenizer_hash
from rpt_core.words import counted

__all__ = ["full_entropy", "run", "score", "top_k_entropy"]
BEFORE_TEXT = 8
"""Room for what a tokenizer puts before a text."""


def run(config: FilterConfig, context: StageContext) -> dict[str, Any]:
    """Score both splits, choose positions, write them. Returns the counts for the `finished` event."""
    listed = None if config.position_list is None else read_position_list(config.position_list)
    corpus = load_corpus(config.corpus)
    if listed is not None:
        listed.check_documents({d.id for d in corpus.train}, {d.id for d in corpus.validation})
    scan = _Scan(config, context, corpus, listed)
    context.started(0, scan.total)
    emit_corpus(corpus, context.log)
    splits: tuple[Split, Split] = ("train", "validation")
    counts = {split: scan.split(split, corpus.split(split)) for split in splits}
    if scan.changed:
        message = f"The tokenizer normalises text: {counted(scan.changed, 'document')} kept in its spelling."
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
        self, config: FilterConfig, context: StageContext, corpus: Corpus, listed: PositionList | None
    ) -> None:
        self.config, self.context, self.listed = config, context, listed
        self.total = len(corpus.train) + len(corpus.validation)
        rule = ScoreRule(config.top_k, config.entropy, config.batch_tokens, config.chunk_positions)
        self.proxy: Backend = open_backend(config, config.proxy, most_tokens(corpus), self._stop_if_asked, rule)
        self.tokenizer = self.proxy.tokenizer
        self.prefix = prefix_ids(self.tokenizer)
        self.documents = 0
        self.tokens = 0
        self.seconds = 0.0
        self.changed = 0
        """Documents whose text the tokenizer cannot spell as it stands."""

    def split(self, name: Split, documents: list[Document]) -> dict[str, int]:
        """Score, choose and write one split; returns its counts."""
        path = positions_file(self.context.run.positions, name)
        scored_path = positions_file(self.context.run.positions, f"{name}-scored")
        identity = tokenizer_hash(self.tokenizer)
        candidates: list[Floats] = []
        probabilities: list[Floats] = []
        listed: list[Indices] = []
        with positions_writer(scored_path, identity) as writer:
            for scored in self._blocks(documents):
                candidates += [document.candidates() for document in scored]
                probabilities += [document.candidate_probabilities() for document in scored]
                if self.listed is not None:
                    listed += [self.listed.candidates_of(document) for document in scored]
                for part in in_groups(to_table(scored)):
                    writer.write_table(part)
        ids = [document.id for document in documents]
        chosen = choose_positions(self.config, ids, candidates, None if self.listed is None else listed)
        # The rule may need the whole split (top share), so the chosen positions are filled in on a second pass.
        with positions_writer(path, identity) as writer, pq.ParquetFile(scored_path) as file:
            for table, kept in _with_choice(file, chosen):
                writer.write_table(with_kept(table, kept))
        scored_path.unlink()
        summary = summarise(self.config.seed, ids, candidates, probabilities)
        return self._report(name, candidates, chosen, summary)

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
        scores = self.proxy.score(sequences)
        self.tokens += sum(map(len, sequences))
        skip = len(self.prefix)
        return [_with_scores(document, found, skip) for document, found in zip(read, scores, strict=True)]

    def _stop_if_asked(self) -> None:
        if self.context.stop_requested:
            raise StopRequested(self.documents)

    def _report(
        self, split: Split, candidates: list[Floats], chosen: list[Indices], summary: dict[str, Any]
    ) -> dict[str, int]:
        entropies = np.concatenate([np.empty(0, np.float32), *candidates])
        entropies = entropies[np.isfinite(entropies)]
        counts = {"documents": len(candidates), "positions": len(entropies), "kept": sum(map(len, chosen))}
        levels = {name: int((entropies > nats).sum()) for name, nats in PAPER_NATS.items()}
        told = {"by_difficulty": levels, "above_nats": PAPER_NATS, "summary": summary}
        self.context.log.emit(EventType.POSITIONS, split=split, **counts, **told)
        return counts


def most_tokens(corpus: Corpus) -> int:
    """No document has more tokens: one takes a byte at least. A normaliser that adds bytes costs a second window."""
    return BEFORE_TEXT + max(len(document.text.encode()) for document in (*corpus.train, *corpus.validation))


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


def _with_scores(document: ScoredDocument, found: Scores, skip: int) -> ScoredDocument:
    """The document with the scores of its sequence, whose first tokens stand before the text."""
    entropies, highest = found.entropies[skip:].copy(), found.highest_probabilities[skip:].copy()
    if not np.isfinite(entropies[1:]).all():
        raise UserError(
            "The proxy model's output is not finite: its weights are damaged, or its number format is too narrow. "
            "Try `dtype: float32`, or another proxy model."
        )
    for values in (entropies, highest):
        values[:1] = np.nan
        values[np.diff(document.byte_offsets) == 0] = np.nan  # a space that is only the tokenizer's: nothing to predict
    return replace(document, entropies=entropies, highest_probabilities=highest)


def _with_choice(file: pq.ParquetFile, chosen: list[Indices]) -> Iterator[tuple[Any, list[Indices]]]:
    """Each row group with the chosen positions of its documents."""
    start = 0
    for group in range(file.num_row_groups):
        table = file.read_row_group(group)
        first = table.column("candidates_from").to_numpy()
        kept = [chosen[start + row] + first[row] for row in range(table.num_rows)]
        start += table.num_rows
        yield table, kept
