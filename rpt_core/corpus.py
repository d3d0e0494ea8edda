"""Documents: read from JSONL, Parquet or plain text, mapped to one shape, split into train and validation.

In: a CorpusConfig. Out: a Corpus. The split is a hash of the document's id, so that a document never changes sides
whatever else the corpus holds. Records that cannot be used are counted and named with file and line; too many of them
stop the run. Every file is read as a stream; only the documents themselves are kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rpt_core.config import CorpusConfig, FieldMapping, Split
from rpt_core.errors import UserError
from rpt_core.events import EventLog, EventType

MAX_NAMED = 100
"""So many bad records are named; all are counted."""
_FORMATS = {".jsonl": "jsonl", ".parquet": "parquet", ".txt": "text"}
_BOM = b"\xef\xbb\xbf"


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
class BadRecord:
    """A record that cannot be used. `line` is the line of a text file or the row of a Parquet file, from 1."""

    file: str
    line: int
    problem: str


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


@dataclass
class _Tally:
    """What has been read so far."""

    records: int = 0
    bad: int = 0
    duplicates: int = 0
    bad_records: list[BadRecord] = field(default_factory=list)

    def reject(self, record: BadRecord) -> None:
        self.bad += 1
        if len(self.bad_records) < MAX_NAMED:
            self.bad_records.append(record)


class _Unusable(Exception):
    """A record has no usable document; the message says why."""


_Numbered = Iterator[tuple[int, dict[str, Any] | _Unusable]]
"""Records with their line; an `_Unusable` stands for one that could not be read."""


def load_corpus(config: CorpusConfig) -> Corpus:
    """Read, map, drop duplicates and split. Raises UserError for missing files, too many bad records, no documents."""
    tally = _Tally()
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
    _check(tally, config.max_bad_share, sum(map(len, documents.values())))
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


def _documents(config: CorpusConfig, tally: _Tally) -> Iterator[Document]:
    for file, mapping, records in _sources(config):
        for line, record in records:
            tally.records += 1
            try:
                if isinstance(record, _Unusable):
                    raise record
                yield _document(record, mapping)
            except _Unusable as problem:
                tally.reject(BadRecord(file, line, str(problem)))


_TINY_MAPPING = FieldMapping(
    text=None,
    problem="problem",
    solution="solution",
    id="id",
    answer="answer",
    domain="domain",
    difficulty="difficulty",
)


def _sources(config: CorpusConfig) -> Iterator[tuple[str, FieldMapping, _Numbered]]:
    """Each source's name, the mapping of its fields, and its records."""
    if config.source == "tiny":
        from rpt_core.tiny.corpus import records

        made = records(config.tiny_part, config.tiny_documents, config.tiny_seed)
        yield f"tiny:{config.tiny_part}", _TINY_MAPPING, enumerate(made, start=1)
        return
    for path in _files(config):
        kind = _FORMATS.get(path.suffix.lower(), "") if config.format == "auto" else config.format
        mapping = FieldMapping() if kind == "text" else config.field_mapping()
        yield str(path), mapping, _READERS[kind](path, mapping)


def _files(config: CorpusConfig) -> list[Path]:
    """The files to read, folders opened, in a fixed order."""
    files: list[Path] = []
    for path in map(Path, config.paths):
        if not path.exists():
            raise UserError(f"{path} does not exist. Name existing files or folders in `paths`.")
        files += _inside(path, config.format) if path.is_dir() else [path]
    unknown = [path for path in files if config.format == "auto" and path.suffix.lower() not in _FORMATS]
    if unknown:
        raise UserError(
            f"The format of {unknown[0]} is unknown. Rename it to end in {', '.join(_FORMATS)}, or set `format`."
        )
    return files


def _inside(folder: Path, format_: str) -> list[Path]:
    endings = [ending for ending, kind in _FORMATS.items() if format_ in ("auto", kind)]
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() in endings)
    if not found:
        raise UserError(f"{folder} holds no file that ends in {' or '.join(endings)}. Name another folder in `paths`.")
    return found


def _read_jsonl(path: Path, mapping: FieldMapping) -> _Numbered:
    line = 0
    with path.open("rb") as file:
        for line, data in enumerate(file, start=1):
            data = data.removeprefix(_BOM) if line == 1 else data
            if data.strip():
                yield line, _parse(data)
    if line == 0:
        yield 1, _Unusable("the file is empty")


def _parse(data: bytes) -> dict[str, Any] | _Unusable:
    try:
        record = json.loads(data.decode())
    except UnicodeDecodeError as error:
        return _Unusable(f"not UTF-8 (byte {error.start + 1} of the line)")
    except (ValueError, RecursionError) as error:
        return _Unusable(f"not JSON ({error})")
    return record if isinstance(record, dict) else _Unusable("not a JSON object")


def _read_parquet(path: Path, mapping: FieldMapping) -> _Numbered:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        yield 1, _Unusable("the file is empty" if path.stat().st_size == 0 else f"not a Parquet file ({error})")
        return
    with file:
        columns = _columns(path, file.schema_arrow.names, mapping)
        if file.metadata.num_rows == 0:
            yield 1, _Unusable("the file is empty")
        batches = file.iter_batches(batch_size=256, columns=columns)
        yield from enumerate((record for batch in batches for record in batch.to_pylist()), start=1)


def _columns(path: Path, present: list[str], mapping: FieldMapping) -> list[str]:
    """The columns that the mapping needs. Raises UserError when one is missing."""
    wanted = [name for name in mapping.model_dump().values() if name is not None]
    roots = [name if name in present else name.split(".")[0] for name in wanted]
    missing = [name for name, root in zip(wanted, roots, strict=True) if root not in present]
    if missing:
        raise UserError(
            f"{path} has no column {missing[0]!r}. Its columns are: {', '.join(present)}. Change `mapping` to fit."
        )
    return list(dict.fromkeys(roots))


def _read_text(path: Path, mapping: FieldMapping) -> _Numbered:
    data = path.read_bytes().removeprefix(_BOM)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        yield data.count(b"\n", 0, error.start) + 1, _Unusable(f"not UTF-8 (byte {error.start + 1} of the file)")
        return
    yield 1, {"text": text} if data else _Unusable("the file is empty")


_READERS: dict[str, Callable[[Path, FieldMapping], _Numbered]] = {
    "jsonl": _read_jsonl,
    "parquet": _read_parquet,
    "text": _read_text,
}


def _document(record: dict[str, Any], mapping: FieldMapping) -> Document:
    """A record as a document. Raises _Unusable when it has no text."""
    if mapping.text is not None:
        text, start = _text(record, mapping.text), 0
    else:
        before = f"Problem: {_text(record, mapping.problem or '')}\nSolution:"
        text, start = f"{before} {_text(record, mapping.solution or '')}", len(before.encode())
    id_ = _label(record, mapping.id) or hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    domain, difficulty, answer = (_label(record, name) for name in (mapping.domain, mapping.difficulty, mapping.answer))
    return Document(id_, text, start, domain, difficulty, answer)


def _text(record: dict[str, Any], name: str) -> str:
    value = _field(record, name)
    if value is None:
        raise _Unusable(f"no field `{name}`")
    if not isinstance(value, str):
        raise _Unusable(f"field `{name}` is not text")
    if not value.strip():
        raise _Unusable(f"field `{name}` is empty")
    if not _is_encodable(value):
        raise _Unusable(f"field `{name}` holds half a surrogate pair")
    return value


def _label(record: dict[str, Any], name: str | None) -> str:
    """Metadata as text: lists joined, anything missing empty."""
    value = None if name is None else _field(record, name)
    if value is None:
        return ""
    text = "; ".join(map(str, value)) if isinstance(value, Iterable) and not isinstance(value, str) else str(value)
    return text.encode(errors="replace").decode()


def _field(record: dict[str, Any], name: str) -> Any:
    """A field by its name, or by a dotted path into nested objects."""
    if name in record:
        return record[name]
    value: Any = record
    for part in name.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check(tally: _Tally, max_bad_share: float, documents: int) -> None:
    if tally.bad and tally.bad > max_bad_share * tally.records:
        named = "; ".join(f"{record.file}:{record.line}: {record.problem}" for record in tally.bad_records[:5])
        raise UserError(
            f"{tally.bad} of {tally.records} records are unusable, more than the allowed share of {max_bad_share:g}. "
            f"First ones: {named}. Mend them, correct `mapping`, or raise `max_bad_share`."
        )
    if not documents:
        raise UserError("The corpus has no document. Name files with documents in `paths`.")
