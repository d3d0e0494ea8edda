"""The first documents of a corpus, and how many there will be, without reading it all.

In: a CorpusConfig. Out: a Sample. Files are looked at, but only the first ones are read, until there are enough
documents and bytes to tell how much of the file each takes; the rest is counted by its size on disk. A corpus that is
smaller than that is read whole and counted exactly, and only then do bad records stop pre-flight. Exact are also the
numbers of the built-in corpus. Duplicates and near-duplicates are not looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from rpt_core.config import CorpusConfig
from rpt_core.errors import UserError

if TYPE_CHECKING:
    from rpt_core.text.files import DataFile
    from rpt_core.text.readers import ReadingProgress

T = TypeVar("T")

SAMPLE_DOCUMENTS = 300
SAMPLE_BYTES = 4_000_000
"""Of the files on disk. Readers read ahead, which would count too much of a smaller part."""


@dataclass(frozen=True)
class Sample:
    """What is known of a corpus."""

    texts: list[str]
    """Of the first documents, at least one."""
    documents: float
    """Of both splits together."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class First(Generic[T]):
    """The first items of some files."""

    items: list[T]
    number: float
    """Of all files together, by their sizes."""
    is_all: bool
    """Everything was read, so that the number is exact; the items may be fewer."""


def sample_corpus(corpus: CorpusConfig) -> Sample:
    """Look at a corpus. Raises UserError for missing or broken files, and for one without documents."""
    sample = _of_tiny(corpus) if corpus.source == "tiny" else _of_files(corpus)
    if not sample.texts:
        raise UserError(" ".join(["The corpus has no documents. Name files with documents in `paths`.", *sample.notes]))
    return sample


def _of_tiny(corpus: CorpusConfig) -> Sample:
    from rpt_core.text.corpus import load_corpus

    few = corpus.model_copy(update={"tiny_documents": min(SAMPLE_DOCUMENTS, corpus.tiny_documents)})
    found = load_corpus(few)
    texts = [document.text for document in (*found.train, *found.validation)]
    return Sample(texts, _limited(corpus, float(corpus.tiny_documents)))


def _of_files(corpus: CorpusConfig) -> Sample:
    from rpt_core.text.corpus import corpus_files, read_documents
    from rpt_core.text.records import Tally

    tally, found = Tally(), corpus_files(corpus)

    def texts(file: DataFile, progress: ReadingProgress) -> Iterator[str]:
        return (document.text for document, _, _ in read_documents(corpus, file, tally, progress))

    first = first_of(found.files, texts)
    if first.is_all:
        tally.check(corpus.max_bad_share)
    return Sample(first.items, _limited(corpus, first.number), (*found.notes, *tally.notes()))


def first_of(files: Sequence[DataFile], read: Callable[[DataFile, ReadingProgress], Iterator[T]]) -> First[T]:
    """The first items of some files, and how many all of them hold. read: the items of a file, as far as asked for."""
    items, number, done, size = list[T](), 0, 0.0, 0
    for file in files:
        bytes_of_file = file.path.stat().st_size
        size += bytes_of_file
        if len(items) < SAMPLE_DOCUMENTS or done < SAMPLE_BYTES:
            some, share = _read(file, read, SAMPLE_BYTES - done, items)
            number += some
            done += share * bytes_of_file
    return First(items, number * size / done if done else 0.0, done >= size)


def _read(
    file: DataFile, read: Callable[[DataFile, ReadingProgress], Iterator[T]], most_bytes: float, items: list[T]
) -> tuple[int, float]:
    """Read a file's items until there are enough; returns their number, and the share of the file that was read."""
    from rpt_core.text.readers import ReadingProgress

    progress, number, size = ReadingProgress(), 0, file.path.stat().st_size
    for item in read(file, progress):
        number += 1
        if len(items) < SAMPLE_DOCUMENTS:
            items.append(item)
        elif progress.share * size >= most_bytes:
            return number, progress.share
    return number, 1.0


def _limited(corpus: CorpusConfig, documents: float) -> float:
    """So many of the documents as `max_documents` leaves."""
    if corpus.max_documents is None:
        return documents
    shares = corpus.validation_share, 1 - corpus.validation_share
    return sum(min(share * documents, corpus.max_documents) for share in shares)
