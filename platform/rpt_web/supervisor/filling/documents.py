"""Documents of a filled platform, on disk as stages and workers write them: of one corpus, and scored ones of one run.

In: how many. Out: files, and the row that tells of the scored ones. Of these the first document is long: a page has to
cope with it. Which numbers they hold follows from the document's number.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from rpt_core.config import PAPER_NATS
from rpt_core.positions.scored import ScoredDocument, in_groups, positions_writer, to_table
from rpt_core.positions.summary import summarise
from rpt_core.run.folder import RunDir, positions_file
from rpt_core.text.corpus import Document
from rpt_core.text.document_files import written_documents
from rpt_web.corpora.models import CorpusVersion, ScoredSplit
from rpt_web.runs.models import Run

SPLIT = "train"
TOKENS, LONGEST_TOKENS = 120, 1_000_000
"""Of a scored document, and of the first one at most; of fewer documents the first has fewer."""
TOGETHER = 256
VOCABULARY = 5000
SENTENCE = "The cards are A, B and C; the sum of their values is 42. "
HELD_OUT_EVERY = 10
_TEXT = "the sum of a and b\n"
_TOKEN_BYTES = 4


def write_documents(version: CorpusVersion, number: int) -> None:
    """The documents of a checked version."""
    version.documents_file.parent.mkdir(parents=True, exist_ok=True)
    with written_documents(version.documents_file) as documents:
        for row in range(number):
            text = f"Deal {row}. {SENTENCE * (5 + row % 25)}"
            side = "train" if row % HELD_OUT_EVERY else "validation"
            documents.add(Document(f"card-{row:06d}", text), side, f"cards-{row % 5}.jsonl")


def score_documents(run: Run, number: int) -> ScoredSplit:
    """A split's file with a long document and many short ones. Gives the row that tells of it, not stored yet."""
    path = positions_file(RunDir(run.directory).positions, SPLIT)
    path.parent.mkdir(parents=True, exist_ok=True)
    ids, entropies, probabilities, kept = list[str](), list[Any](), list[Any](), 0
    with positions_writer(path, "filled") as writer:
        scored = _scored(number)
        while documents := list(islice(scored, TOGETHER)):
            for part in in_groups(to_table(documents)):
                writer.write_table(part)
            ids += [found.document.id for found in documents]
            entropies += [found.candidates() for found in documents]
            probabilities += [found.candidate_probabilities() for found in documents]
            kept += sum(len(found.kept) for found in documents)
    flat = np.concatenate(entropies)
    return ScoredSplit(
        run=run,
        split=SPLIT,
        documents=number,
        positions=len(flat),
        kept=kept,
        by_difficulty={name: int((flat > nats).sum()) for name, nats in PAPER_NATS.items()},
        above_nats=PAPER_NATS,
        summary=summarise(0, ids, entropies, probabilities),
    )


def _scored(number: int) -> Iterator[ScoredDocument]:
    longest = min(LONGEST_TOKENS, TOKENS * number)
    for row in range(number):
        yield _document(row, TOKENS if row else longest)


def _document(row: int, tokens: int) -> ScoredDocument:
    random = np.random.default_rng(row)
    entropies = np.minimum(random.gamma(0.9, 0.6, tokens), 2.7).astype(np.float32)
    entropies[0] = np.nan
    size = _TOKEN_BYTES * tokens
    text = (_TEXT * (size // len(_TEXT) + 1))[:size]
    return ScoredDocument(
        Document(f"card-{row:06d}", text),
        random.integers(0, VOCABULARY, tokens).tolist(),
        np.arange(0, size + 1, _TOKEN_BYTES).tolist(),
        entropies,
        candidates_from=1,
        kept=np.flatnonzero(entropies >= 1).tolist(),
        highest_probabilities=np.exp(-entropies),
    )
