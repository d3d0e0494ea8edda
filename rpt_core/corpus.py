"""Documents: read from JSONL, Parquet or plain text, mapped to one shape, split into train and validation.

In: a CorpusConfig. Out: a Corpus. The split is a hash of the document's id, so that a document never changes sides
whatever else the corpus holds. Records that cannot be used are counted and named with file and line; too many of them
stop the run. Every file is read as a stream; only the documents themselves are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rpt_core.config import CorpusConfig, FieldMapping, Split
from rpt_core.errors import UserError
from rpt_core.events import EventLog, EventType
from rpt_core.records import (
    FORMATS,
    MAX_NAMED,
    BadRecord,
    Numbered,
    Tally,
    find_files,
    label_of,
    read_records,
    text_of,
    usable,
)


@dataclass(frozen=True)
class Document:
    """One text of the corpus."""

    id: str
    text: str
    solution_start: int = 0
    """Byte offset in the UTF-8 text from which positions count as solution; 0 when there is no such part."""
    domain: str = ""
    difficulty: str = ""
    answer: str = ""


@dataclass(frozen=True)
class Corpus:
    """The usable documents of both splits."""

    train: list[Document]
    validation: list[Document]
    bad: int
    bad_records: list[BadRecord]
    """The first MAX_NAMED of them."""
    name: str
    duplicates: int = 0
    """Documents left out because their id had been read before."""

    def split(self, name: Split) -> list[Document]:
        """The documents of one split."""
        return self.train if name == "train" else self.validation


def load_corpus(config: CorpusConfig) -> Corpus:
    """Read, map, drop duplicates and split. Raises UserError for missing files, too many bad records, no documents."""
    tally = Tally()
    documents: dict[Split, list[Document]] = {"train": [], "validation": []}
    limits = _limits(config)
    seen: set[str] = set()
    for document in _documents(config, tally):
        if document.id in seen:
            tally.duplicates += 1
            continue
        seen.add(document.id)
        split = split_of(document.id, config.validation_share)
        if len(documents[split]) < limits[split]:
            documents[split].append(document)
        elif all(len(documents[name]) >= limits[name] for name in documents):
            break
    tally.check(config.max_bad_share)
    if not any(documents.values()):
        raise UserError("The corpus has no document. Name files with documents in `paths`.")
    name = f"tiny:{config.tiny_part}" if config.source == "tiny" else ", ".join(Path(p).name for p in config.paths)
    return Corpus(documents["train"], documents["validation"], tally.bad, tally.bad_records, name, tally.duplicates)


def split_of(id_: str, validation_share: float) -> Split:
    """Side of a document, decided by its id alone."""
    digest = hashlib.blake2b(id_.encode()).digest()
    return "validation" if int.from_bytes(digest[:8], "big") / 2**64 < validation_share else "train"


def emit_corpus(corpus: Corpus, log: EventLog) -> None:
    """Say what was read."""
    log.emit(
        EventType.CORPUS,
        name=corpus.name,
        documents={"train": len(corpus.train), "validation": len(corpus.validation)},
        bad=corpus.bad,
        bad_records=[asdict(record) for record in corpus.bad_records[:MAX_NAMED]],
    )
    if corpus.duplicates:
        log.emit(EventType.LOG, level="info", message=f"Documents left out as duplicates: {corpus.duplicates}.")


def _limits(config: CorpusConfig) -> dict[Split, float]:
    """Most documents of each split; a split that can have none is full from the start."""
    limit = float("inf") if config.max_documents is None else config.max_documents
    return {
        "train": limit if config.validation_share < 1 else 0,
        "validation": limit if config.validation_share > 0 else 0,
    }


def _documents(config: CorpusConfig, tally: Tally) -> Iterator[Document]:
    for source, mapping, records in _sources(config):
        yield from usable(source, records, tally, partial(_document, mapping=mapping))


_TINY_MAPPING = FieldMapping(
    text=None,
    problem="problem",
    solution="solution",
    id="id",
    answer="answer",
    domain="domain",
    difficulty="difficulty",
)


def _sources(config: CorpusConfig) -> Iterator[tuple[str, FieldMapping, Numbered]]:
    """Each source's name, the mapping of its fields, and its records."""
    if config.source == "tiny":
        from rpt_core.tiny.corpus import records

        made = records(config.tiny_part, config.tiny_documents, config.tiny_seed)
        yield f"tiny:{config.tiny_part}", _TINY_MAPPING, enumerate(made, start=1)
        return
    for path in find_files(config.paths, config.format):
        kind = FORMATS.get(path.suffix.lower(), "") if config.format == "auto" else config.format
        mapping = FieldMapping() if kind == "text" else config.field_mapping()
        wanted = [name for name in mapping.model_dump().values() if name is not None]
        yield str(path), mapping, read_records(path, wanted, config.format)


def _document(record: dict[str, Any], mapping: FieldMapping) -> Document:
    """A record as a document. Raises Unusable when it has no text."""
    if mapping.text is not None:
        text, start = text_of(record, mapping.text), 0
    else:
        before = f"Problem: {text_of(record, mapping.problem or '')}\nSolution:"
        text, start = f"{before} {text_of(record, mapping.solution or '')}", len(before.encode())
    id_ = label_of(record, mapping.id) or hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    domain, difficulty, answer = (
        label_of(record, name) for name in (mapping.domain, mapping.difficulty, mapping.answer)
    )
    return Document(id_, text, start, domain, difficulty, answer)
