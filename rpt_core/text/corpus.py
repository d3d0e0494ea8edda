"""Documents: read from files of records or plain texts, mapped to one shape, split into train and validation.

In: a CorpusConfig. Out: a Corpus. The split is a hash of the document's problem, or of its text where there is none, in
which white space and case do not count: a document never changes sides whatever else the corpus holds, and all
solutions of one problem stand on one side. (The problems of the built-in corpus are named by their ids.) Training
documents that nearly equal a held-out one are left out; those of the built-in corpus are made from a few patterns, and
different problems of it are meant to look alike, so it is exempt.

Records that cannot be used are counted and named with file and line; too many of them stop the run. A text that was
read before is left out. An id that stands for several texts names the first; the others get their file's name in front
of it. Every file is read as a stream; only the documents themselves are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from rpt_core.config import CorpusConfig, FieldMapping, Split
from rpt_core.errors import UserError
from rpt_core.run.events import EventLog, EventType
from rpt_core.text.chats import answered_in, asked_in, is_chat
from rpt_core.text.files import DataFile
from rpt_core.text.finding import Found, Reader, find_files
from rpt_core.text.names import Names, text_hash
from rpt_core.text.near_duplicates import near_duplicates
from rpt_core.text.readers import ReadingProgress, read_records
from rpt_core.text.records import (
    MAX_NAMED,
    BadRecord,
    Numbered,
    Tally,
    Unusable,
    field_of,
    label_of,
    text_of,
    usable,
)
from rpt_core.words import counted


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
    """Documents left out because the same text had been read before."""
    near_duplicates: int = 0
    """Training documents left out because they nearly equal a held-out one."""
    notes: list[str] = field(default_factory=list)
    """What else became of the data, in sentences: files that were not read, ids that stood for several texts."""

    def split(self, name: Split) -> list[Document]:
        """The documents of one split."""
        return self.train if name == "train" else self.validation


def load_corpus(config: CorpusConfig) -> Corpus:
    """Read, map, drop duplicates and split. Raises UserError for missing files, too many bad records, no documents."""
    tally, names = Tally(), Names()
    documents: dict[Split, list[Document]] = {"train": [], "validation": []}
    limits = _limits(config)
    for document, side in distinct(read_corpus(config, tally), tally, names):
        split = split_of(side, config.validation_share)
        if len(documents[split]) < limits[split]:
            documents[split].append(document)
        elif all(len(documents[name]) >= limits[name] for name in documents):
            break
    tally.check(config.max_bad_share)
    if not any(documents.values()):
        raise UserError(
            " ".join(["The corpus has no documents. Name files with documents in `paths`.", *tally.notes()])
        )
    train = _without_near_duplicates(config, documents)
    return Corpus(
        train,
        documents["validation"],
        tally.bad,
        tally.bad_records,
        f"tiny:{config.tiny_part}" if config.source == "tiny" else ", ".join(Path(p).name for p in config.paths),
        tally.duplicates,
        len(documents["train"]) - len(train),
        [*tally.notes(), *names.notes()],
    )


def split_of(side: str, validation_share: float) -> Split:
    """The split of everything that has this key: what `side_of` gives of a text, or an id of the built-in corpus."""
    digest = hashlib.blake2b(side.encode()).digest()
    return "validation" if int.from_bytes(digest[:8], "big") / 2**64 < validation_share else "train"


def side_of(text: str) -> str:
    """A key that all texts share which differ in white space and case alone."""
    return text_hash(" ".join(text.split()).casefold())


def emit_corpus(corpus: Corpus, log: EventLog) -> None:
    """Say what was read, and what was not."""
    log.emit(
        EventType.CORPUS,
        name=corpus.name,
        documents={"train": len(corpus.train), "validation": len(corpus.validation)},
        bad=corpus.bad,
        bad_records=[asdict(record) for record in corpus.bad_records[:MAX_NAMED]],
    )
    if corpus.duplicates:
        words = f"{counted(corpus.duplicates, 'document')} left out: the same text was read before."
        log.emit(EventType.LOG, level="info", message=words)
    if corpus.near_duplicates:
        words = (
            f"{counted(corpus.near_duplicates, 'training document')} left out as nearly equal to a held-out one "
            "(`near_duplicate_share`)."
        )
        log.emit(EventType.LOG, level="info", message=words)
    for note in corpus.notes:
        log.emit(EventType.LOG, level="warning", message=note)


def distinct(found: Iterator[_Found], tally: Tally, names: Names) -> Iterator[tuple[Document, str]]:
    """Each text once, with a name of its own, and its side."""
    seen: set[bytes] = set()
    for document, side, file in found:
        digest = hashlib.blake2b(document.text.encode(), digest_size=16).digest()
        if digest in seen:
            tally.duplicates += 1
            continue
        seen.add(digest)
        id_ = names.unique(document.id, file, document.text)
        yield (document if id_ == document.id else replace(document, id=id_)), side


def _without_near_duplicates(config: CorpusConfig, documents: dict[Split, list[Document]]) -> list[Document]:
    """The training documents that nearly equal no held-out one, by what decides their side."""
    train, held_out = documents["train"], documents["validation"]
    if config.source == "tiny" or config.near_duplicate_share is None:
        return train
    texts = [[_statement(document) for document in side] for side in (train, held_out)]
    left_out = set(near_duplicates(texts[0], texts[1], config.near_duplicate_share))
    return [document for number, document in enumerate(train) if number not in left_out]


def _statement(document: Document) -> str:
    """The problem where there is one, else the text."""
    before = document.text.encode()[: document.solution_start]
    return before.decode() or document.text


def _limits(config: CorpusConfig) -> dict[Split, float]:
    """Most documents of each split; a split that can have none is full from the start."""
    limit = float("inf") if config.max_documents is None else config.max_documents
    return {
        "train": limit if config.validation_share < 1 else 0,
        "validation": limit if config.validation_share > 0 else 0,
    }


_TINY_MAPPING = FieldMapping(
    text=None,
    problem="problem",
    solution="solution",
    id="id",
    answer="answer",
    domain="domain",
    difficulty="difficulty",
)


_Found = tuple[Document, str, str]
"""A document, the key of its side, and the file that it comes from."""


def read_corpus(config: CorpusConfig, tally: Tally) -> Iterator[_Found]:
    """All documents as they stand in the files."""
    if config.source == "tiny":
        from rpt_core.tiny.corpus import records

        name = f"tiny:{config.tiny_part}"
        made: Numbered = enumerate(records(config.tiny_part, config.tiny_documents, config.tiny_seed), start=1)
        make = partial(_found, mapping=_TINY_MAPPING, file=name, by_id=True)
        yield from usable(name, made, tally, make)
        return
    files = corpus_files(config)
    tally.left_out += files.notes
    for file in files.files:
        yield from read_documents(config, file, tally)


def corpus_files(config: CorpusConfig) -> Found:
    """The files of a corpus. Raises UserError as `find_files` does."""
    mapping = config.field_mapping()
    return find_files(
        config.paths, Reader(format=config.format, fields=_fields(mapping), folder_texts=mapping == FieldMapping())
    )


def read_documents(
    config: CorpusConfig, file: DataFile, tally: Tally, progress: ReadingProgress | None = None
) -> Iterator[_Found]:
    """All documents of one file."""
    mapping = FieldMapping() if file.kind == "text" else config.field_mapping()
    make = partial(_found, mapping=mapping, file=file.name, by_id=config.split_by == "id")
    yield from usable(str(file.path), read_records(file, _fields(mapping), progress), tally, make)


def _fields(mapping: FieldMapping) -> list[str]:
    return [name for name in mapping.model_dump().values() if name is not None]


def _found(record: dict[str, Any], mapping: FieldMapping, file: str, by_id: bool) -> _Found:
    document = _document(record, mapping)
    problem = _problem(record, mapping)
    return document, document.id if by_id else side_of(problem or document.text), file


def _document(record: dict[str, Any], mapping: FieldMapping) -> Document:
    """A record as a document. Raises Unusable when it has no text."""
    if mapping.text is not None:
        if is_chat(field_of(record, mapping.text)):
            raise Unusable(f"field `{mapping.text}` holds chat messages: name it as `problem` and as `solution`")
        text, start = text_of(record, mapping.text), 0
    else:
        before = f"Problem: {asked_in(record, mapping.problem or '')}\nSolution:"
        text, start = f"{before} {answered_in(record, mapping.solution or '')}", len(before.encode())
    id_ = label_of(record, mapping.id) or text_hash(text)
    domain, difficulty, answer = (
        label_of(record, name) for name in (mapping.domain, mapping.difficulty, mapping.answer)
    )
    return Document(id_, text, start, domain, difficulty, answer)


def _problem(record: dict[str, Any], mapping: FieldMapping) -> str:
    """What the document is about; empty where the record does not tell it from the rest."""
    if mapping.problem is None or field_of(record, mapping.problem) is None:
        return ""
    return asked_in(record, mapping.problem)
