"""Jobs of corpora: a look at the first records of a version, and its check, which reads all of it as a run would. The
first of them fetches the files of a version that has an address.

In: a version of a corpus. Out: its preview, or its counts, bad records and documents (`corpora.services`). What a run
reads goes through the same functions here, so what the check counts is what a run will find with the same settings.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from rpt_core.config import CorpusConfig
from rpt_core.config.reads import Reading, Reads
from rpt_core.errors import UserError
from rpt_core.text.corpus import Document, corpus_files, distinct, read_documents, split_of
from rpt_core.text.document_files import each_text, written_documents
from rpt_core.text.files import DataFile
from rpt_core.text.finding import Reader, find_files
from rpt_core.text.names import Names
from rpt_core.text.near_duplicates import HeldOutTexts
from rpt_core.text.readers import ReadingProgress, read_records
from rpt_core.text.records import Tally, Unusable
from rpt_core.words import counted
from rpt_web.corpora import services
from rpt_web.corpora.models import CorpusVersion
from rpt_web.jobs.models import Job
from rpt_web.runs import reach
from workers import fetching
from workers.reports import JobReport

FILES_SHOWN, RECORDS_SHOWN = 20, 5
LONGEST_TEXT, MOST_ITEMS, DEEPEST = 400, 20, 3
"""Of a value in the preview: characters, items of a list or fields of an object, and objects within objects."""
LONGEST_RECORD, MOST_FIELDS = 20_000, 200
"""Of the preview: characters of a record as JSON, and fields that can be chosen."""
READ_BYTES = 1 << 22
HASHED, READ = 0.1, 0.8
"""How far a check is when it has hashed all files, and when it has read them."""


def look(job: Job, report: JobReport) -> dict[str, Any]:
    """The first records of each file, the fields that they have, and a mapping that may fit."""
    version = _version(job)
    fetching.fetch(version, job, report)
    found = find_files([version.place], Reader(fields=(), folder_texts=True))
    files = []
    for number, file in enumerate(found.files):
        report(number / len(found.files), f"Looking at {file.name}")
        files.append(_seen(file, number < FILES_SHOWN))
    records = [record["record"] for file in files for record in file["records"]]
    fields = fields_of(records)
    mapping = likely_mapping([field["name"] for field in fields])
    services.store_preview(
        version.pk, job, {"files": files, "fields": fields, "notes": [*version.notes, *found.notes], "mapping": mapping}
    )
    return {"files": len(files), "fields": len(fields)}


def check(job: Job, report: JobReport) -> dict[str, Any]:
    """Read all of a version, and store what it holds."""
    version = _version(job)
    fetching.fetch(version, job, report)
    config = CorpusConfig(paths=(version.place,), mapping=job.arguments["mapping"], max_bad_share=1.0)
    files = corpus_files(config)
    listed = list(_hashed(files.files, report))
    version.folder.mkdir(parents=True, exist_ok=True)
    tally, names = Tally(left_out=list(files.notes)), Names()
    counts = {"train": 0, "validation": 0}
    reading = _Reading(config, files.files, tally, report)
    with written_documents(version.documents_file) as documents:
        for document, side in distinct(iter(reading), tally, names):
            split = split_of(side, config.validation_share)
            counts[split] += 1
            documents.add(document, split, reading.file)
        if not documents.rows:
            raise UserError(" ".join(["None of its records can be used.", *_first_bad(tally), *tally.notes()]))
    found = {
        "content_hash": content_hash(listed),
        "files": listed,
        "notes": [*version.notes, *tally.notes(), *names.notes()],
        "bytes": sum(file["bytes"] for file in listed),
        "characters": documents.characters,
        "records": tally.records,
        "train_documents": counts["train"],
        "validation_documents": counts["validation"],
        "duplicates": tally.duplicates,
        "near_duplicates": _near_duplicates(version, config, documents.rows, report),
        "bad_count": tally.bad,
        "bad_records": [asdict(record) | {"file": _within(version, record.file)} for record in tally.bad_records],
    }
    services.store_check(version.pk, job, found)
    return {"documents": documents.rows, "bad": tally.bad}


def content_hash(files: Sequence[Mapping[str, Any]]) -> str:
    """The name of what lies in the files, whatever their order."""
    lines = sorted(f"{file['name']}\0{file['sha256']}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def fields_of(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The fields of records by their dotted names, in the order in which they come, each with an example."""
    found: dict[str, dict[str, Any]] = {}
    for record in records:
        for name, value in _flat(record):
            field = found.setdefault(name, {"name": name, "records": 0, "example": None})
            field["records"] += 1
            field["example"] = value if field["example"] is None else field["example"]
    return list(found.values())[:MOST_FIELDS]


def likely_mapping(names: Sequence[str]) -> dict[str, str]:
    """What people often call the fields that a corpus needs; empty where none of the names is known."""
    chosen = {
        wanted: found for wanted, likely in _LIKELY.items() if (found := next((n for n in likely if n in names), ""))
    }
    if "problem" in chosen and "solution" in chosen:
        chosen.pop("text", None)
    else:
        chosen.pop("problem", None)
        chosen.pop("solution", None)
    return chosen if "text" in chosen or "problem" in chosen else {}


_LIKELY = {
    "text": ("text", "content", "body", "document", "raw_text", "markdown"),
    "problem": ("problem", "question", "prompt", "instruction", "query", "messages", "conversations"),
    "solution": ("solution", "response", "output", "completion", "generated_solution", "messages", "conversations"),
    "id": ("id", "_id", "uuid", "doc_id", "docid", "idx", "problem_id"),
    "answer": ("answer", "final_answer", "expected_answer"),
    "domain": ("domain", "subject", "topic", "category", "type"),
    "difficulty": ("difficulty", "level"),
}


def _version(job: Job) -> CorpusVersion:
    """The version of a job. Raises UserError when it is gone, or lies where nothing may be read any more."""
    version = CorpusVersion.objects.select_related("corpus").filter(pk=job.arguments["version"]).first()
    if version is None:
        raise UserError("This version is gone: somebody has deleted it.")
    if words := reach.why_not(Reading("path", version.place, Reads.DATA), [version.corpus.team_id]):
        raise UserError(words)
    return version


def _seen(file: DataFile, is_shown: bool) -> dict[str, Any]:
    seen: dict[str, Any] = {"name": file.name, "kind": file.kind, "bytes": file.path.stat().st_size}
    try:
        records = list(islice(read_records(file, []), RECORDS_SHOWN)) if is_shown else []
    except UserError as error:
        return seen | {"records": [], "problem": str(error)}
    good = [{"line": line, "record": _shown(record)} for line, record in records if not isinstance(record, Unusable)]
    bad = [f"Line {line}: {record}" for line, record in records if isinstance(record, Unusable)]
    return seen | {"records": good, "problem": " ".join(bad)}


def _shown(record: dict[str, Any]) -> Any:
    """A record, short enough to be shown: the more there is in it, the less deep."""
    found: Any = {}
    for deepest in range(DEEPEST, 0, -1):
        found = _cut(record, deepest)
        if len(json.dumps(found)) <= LONGEST_RECORD:
            break
    return found


def _cut(value: Any, deepest: int) -> Any:
    """A value of a record with so many objects within objects."""
    if isinstance(value, dict | list | tuple) and not deepest:
        return "…"
    if isinstance(value, dict):
        return {str(key)[:100]: _cut(item, deepest - 1) for key, item in islice(value.items(), MOST_ITEMS)}
    if isinstance(value, list | tuple):
        return [_cut(item, deepest - 1) for item in value[:MOST_ITEMS]]
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"


def _flat(record: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _hashed(files: Sequence[DataFile], report: JobReport) -> Iterator[dict[str, Any]]:
    total, done = max(1, sum(file.path.stat().st_size for file in files)), 0
    for file in files:
        digest, size = hashlib.sha256(), 0
        with file.path.open("rb") as stream:
            while data := stream.read(READ_BYTES):
                digest.update(data)
                size += len(data)
                report(HASHED * (done + size) / total, f"Hashing {file.name}")
        done += size
        yield {"name": file.name, "kind": file.kind, "bytes": size, "sha256": digest.hexdigest()}


class _Reading:
    """All documents of some files in their order, and which file the newest one is from."""

    def __init__(self, config: CorpusConfig, files: Sequence[DataFile], tally: Tally, report: JobReport) -> None:
        self._config, self._files, self._tally, self._report = config, files, tally, report
        self.file = ""

    def __iter__(self) -> Iterator[tuple[Document, str, str]]:
        sizes = [file.path.stat().st_size for file in self._files]
        total, done = max(1, sum(sizes)), 0
        for file, size in zip(self._files, sizes, strict=True):
            self.file, progress = file.name, ReadingProgress()
            for found in read_documents(self._config, file, self._tally, progress):
                share = HASHED + (READ - HASHED) * (done + size * progress.share) / total
                self._report(share, f"Reading {file.name}: {counted(self._tally.records, 'record')}")
                yield found
            done += size


def _near_duplicates(version: CorpusVersion, config: CorpusConfig, rows: int, report: JobReport) -> int:
    """Training documents that a run leaves out since they nearly equal a held-out one."""
    report(READ, "Comparing with held-out documents")
    held_out = [_statement(text, start) for side, text, start in each_text(version.documents_file) if side != "train"]
    if not held_out or config.near_duplicate_share is None:
        return 0
    known, near = HeldOutTexts(held_out, config.near_duplicate_share), 0
    for number, (side, text, start) in enumerate(each_text(version.documents_file)):
        near += side == "train" and known.has_near(_statement(text, start))
        report(READ + (1 - READ) * number / rows, f"Comparing with held-out documents: {counted(number, 'document')}")
    return near


def _statement(text: str, solution_start: int) -> str:
    """What decides a document's side: the problem where there is one, else the text."""
    return text.encode()[:solution_start].decode() or text


def _first_bad(tally: Tally) -> list[str]:
    return [f"{Path(record.file).name}, line {record.line}: {record.problem}." for record in tally.bad_records[:3]]


def _within(version: CorpusVersion, file: str) -> str:
    """A file's name as people know it."""
    return file.removeprefix(f"{version.place}/")
