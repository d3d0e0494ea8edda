"""Scored documents for tests of pages: files as a filter run writes them, and the events that tell of them.

In: texts. Out: `positions/*.parquet` with entropies from a seed, and rows made by the recorder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rpt_core.config import PAPER_NATS, FilterConfig
from rpt_core.positions.choice import choose_positions
from rpt_core.positions.scored import ScoredDocument, in_groups, positions_writer, to_table
from rpt_core.positions.summary import summarise
from rpt_core.run.folder import RunDir, positions_file
from rpt_core.text.corpus import Document
from rpt_web.runs import services
from rpt_web.runs.models import Experiment, Run
from rpt_web.teams.models import User
from tests.factories import EventFile, end_run, start_run

MOST_NATS = 2.77
TEXTS = [(f"doc-{number}", f"The sum of {number} and {number} is {2 * number}.\n" * 6) for number in range(60)]
BIDI = "a\u202eb\u2066c\x00\x1b[31m\td\u200b é 中\n"


def scored_document(id_: str, text: str, seed: int = 0) -> ScoredDocument:
    """A document in tokens of 1 to 4 bytes, so that some hold parts of characters."""
    rng = np.random.default_rng(seed)
    data = text.encode()
    ends = np.cumsum(rng.integers(1, 5, len(data)))
    offsets = [0, *ends[ends < len(data)].tolist(), *([len(data)] if data else [])]
    count = len(offsets) - 1
    entropies = np.minimum(rng.gamma(0.9, 0.6, count), MOST_NATS).astype(np.float32)
    entropies[:1] = np.nan
    highest = np.exp(-entropies)
    ids = rng.integers(0, 5000, count).tolist()
    return ScoredDocument(Document(id_, text), ids, offsets, entropies, 1, [], highest)


def put_scored(run: Run, events: EventFile, split: str, texts: Sequence[tuple[str, str]]) -> list[ScoredDocument]:
    """A split's file in the run's folder, and its event; returns the documents as they were written."""
    config = FilterConfig.model_validate(run.config)
    found = [scored_document(id_, text, number) for number, (id_, text) in enumerate(texts)]
    ids, candidates = [id_ for id_, _ in texts], [document.candidates() for document in found]
    chosen = choose_positions(config, ids, candidates)
    for number, at in enumerate(chosen):
        found[number] = ScoredDocument(**{**vars(found[number]), "kept": (at + 1).tolist()})
    path = positions_file(RunDir(run.directory).positions, split)
    path.parent.mkdir(parents=True, exist_ok=True)
    with positions_writer(path, "made") as writer:
        for part in in_groups(to_table(found)):
            writer.write_table(part)
    flat = np.concatenate(candidates)
    flat = flat[np.isfinite(flat)]
    probabilities = [document.candidate_probabilities() for document in found]
    events.emit(
        "positions",
        split=split,
        documents=len(found),
        positions=len(flat),
        kept=sum(map(len, chosen)),
        by_difficulty={name: int((flat > nats).sum()) for name, nats in PAPER_NATS.items()},
        above_nats=PAPER_NATS,
        summary=summarise(config.seed, ids, candidates, probabilities),
    )
    return found


def make_filter_run(
    experiment: Experiment, user: User, texts: Sequence[tuple[str, str]], **config: Any
) -> tuple[Run, dict[str, list[ScoredDocument]]]:
    """A finished filter run that scored these texts as its training split, and ten of them held out."""
    settings = {"corpus": {"source": "tiny"}, "proxy": {"path": "proxy"}, "seed": 3, **config}
    run = services.submit(experiment, "filter", FilterConfig.model_validate(settings), user)
    run, events = start_run(run)
    events.emit("started", start_step=0, total_steps=len(texts))
    documents = {"train": texts, "validation": [(f"held-{id_}", text) for id_, text in texts[:10]]}
    found = {split: put_scored(run, events, split, part) for split, part in documents.items()}
    events.emit("finished", 1, result={"train_kept": 1})
    return end_run(run, events), found


def whole_choice(run: Run, documents: Sequence[ScoredDocument], **rule: Any) -> list[list[int]]:
    """The tokens that a run with another rule would choose in each document."""
    config = FilterConfig.model_validate(run.config | rule)
    ids, candidates = [d.document.id for d in documents], [d.candidates() for d in documents]
    return [(at + 1).tolist() for at in choose_positions(config, ids, candidates)]
