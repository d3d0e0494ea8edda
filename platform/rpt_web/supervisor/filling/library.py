"""What a filled platform has besides runs: corpora with versions and files, models, wordings, and the jobs of all.

In: people, who made them, runs and amounts. Out: objects that are not stored yet. The first of each kind has the most.
Of the corpora only one has documents on disk, the first checked version of the first; the files of wordings are there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings

from rpt_core.analysis.patterns import keyword_list_text
from rpt_core.problems.prompts import template_text
from rpt_core.run.folder import RunDir
from rpt_web.corpora.models import (
    Corpus,
    CorpusVersion,
    ModelSource,
    RegisteredModel,
    Upload,
    Wording,
    WordingKind,
    WordingVersion,
)
from rpt_web.jobs.models import Job, JobState
from rpt_web.runs.models import Run
from rpt_web.supervisor.filling.shape import MARK, STEPS, TRAINING
from rpt_web.teams.models import Team, User

VERSIONS, MOST_VERSIONS = 3, 60
"""Of a corpus or a wording, and of the first one."""
FILES = 5
FACTS: dict[str, Any] = {
    "architecture": "Qwen2ForCausalLM",
    "parameters": 186_368,
    "matrix_parameters": 185_344,
    "layers": 1,
    "hidden": 64,
    "context_tokens": 2048,
    "formats": ["F32"],
    "bytes": 745_472,
    "tokens": 512,
    "tokenizer_hash": "filled",
    "end_tokens": [{"id": 0, "token": "<|end|>"}],
    "licence": "mit",
}
FAULT = {"level": "error", "message": "model.safetensors is damaged. Fetch it again."}
PREVIEW_FIELDS = ("text", "source", "licence")


@dataclass(frozen=True)
class Makers:
    """Who makes things, and where."""

    people: Sequence[User]
    team: Team
    now: datetime

    def of(self, number: int) -> dict[str, Any]:
        """Who made the thing of a number and when, as fields of it; the newest has the highest."""
        made_at = self.now - timedelta(days=300) + timedelta(minutes=number)
        return {"created_by": self.people[number % len(self.people)], "created_at": made_at}


def corpora_of(keys: Sequence[int], makers: Makers) -> Iterator[Corpus]:
    """Corpora of different licences."""
    for number, pk in enumerate(keys):
        known = {"licence": ("CC BY 4.0", "MIT", "")[number % 3], "source": "https://filled.invalid", "notes": MARK}
        yield Corpus(pk=pk, team=makers.team, name=f"Cards, part {number + 1}", **known, **makers.of(number))


def versions_needed(things: int) -> list[int]:
    """How many versions each of so many corpora or wordings has."""
    return [MOST_VERSIONS if number == 0 else VERSIONS for number in range(things)]


def corpus_versions_of(
    corpora: Sequence[Corpus], keys: Iterator[int], jobs: Iterator[Job], documents: int, makers: Makers
) -> Iterator[CorpusVersion]:
    """Versions of each: the last one is open and has files, the others are checked."""
    for place, (corpus, count) in enumerate(zip(corpora, versions_needed(len(corpora)), strict=True)):
        for number in range(1, count + 1):
            of_it = documents if (place, number) == (0, 1) else 100 + number
            values = _checked(of_it, makers.now) if number < count else {"preview": _preview()}
            job = next(jobs)
            made = makers.of(place)
            yield CorpusVersion(pk=next(keys), corpus=corpus, number=number, job=job, **made, **values)


def uploads_of(versions: Sequence[CorpusVersion], most: int) -> Iterator[Upload]:
    """Files of the open versions; the first of these has many."""
    for place, version in enumerate(found for found in versions if not found.is_checked):
        for number in range(most if place == 0 else FILES):
            made = {"created_by": version.created_by, "created_at": version.created_at}
            done = {"touched_at": version.created_at, "completed_at": version.created_at}
            name = f"cards-{number:05d}.jsonl"
            key = UUID(int=(version.pk << 64) + number)
            yield Upload(id=key, version=version, name=name, length=10_000, offset=10_000, **made, **done)


def models_of(
    keys: Sequence[int], runs: Sequence[Run], jobs: Iterator[Job], makers: Makers
) -> Iterator[RegisteredModel]:
    """Models of folders that are not there, and checkpoints of runs; each fifth cannot be used."""
    trained = [run for run in runs if run.stage in TRAINING and run.started_at]
    for number, pk in enumerate(keys):
        run = trained[number // 2] if number % 2 and number // 2 < len(trained) else None
        faults = [FAULT] if number % 5 == 4 else []
        card = {"checked_at": makers.now, "loads": not faults, "facts": FACTS, "faults": faults, "job": next(jobs)}
        yield RegisteredModel(pk=pk, team=makers.team, **_place(pk, run), **card, **makers.of(number))


def wordings_of(keys: Sequence[int], makers: Makers) -> Iterator[Wording]:
    """Templates and pattern lists by turns."""
    for number, pk in enumerate(keys):
        kind = WordingKind.PATTERNS if number % 2 else WordingKind.TEMPLATE
        yield Wording(pk=pk, team=makers.team, kind=kind, name=f"filled-{pk}", **makers.of(number))


def wording_versions_of(wordings: Sequence[Wording], makers: Makers) -> Iterator[WordingVersion]:
    """Versions of each."""
    texts = {
        WordingKind.TEMPLATE: template_text("v0"),
        WordingKind.PATTERNS: keyword_list_text("paper"),
    }
    for place, (wording, count) in enumerate(zip(wordings, versions_needed(len(wordings)), strict=True)):
        for number in range(1, count + 1):
            text = texts[WordingKind(wording.kind)] + "\n" * number
            yield WordingVersion(wording=wording, number=number, text=text, **makers.of(place))


def jobs_of(keys: Sequence[int], kind: str, makers: Makers) -> Iterator[Job]:
    """Jobs that have ended, as a worker would take others; one in ten failed."""
    for number, pk in enumerate(keys):
        failed = number % 10 == 9
        state, error = (JobState.FAILED, "Somebody has deleted it.") if failed else (JobState.SUCCEEDED, "")
        ended = {"state": state, "error": error, "progress": 1.0, "attempt": 1, "worker": "filled:1"}
        times = {"started_at": makers.now, "finished_at": makers.now}
        made_by = makers.of(number)["created_by"]
        yield Job(pk=pk, kind=kind, created_by=made_by, created_at=makers.now, **ended, **times)


def _checked(documents: int, now: datetime) -> dict[str, Any]:
    held_out = documents // 10
    files = [
        {"name": f"cards-{number}.jsonl", "kind": "json lines", "bytes": 10_000, "sha256": "0" * 64}
        for number in range(FILES)
    ]
    bad = [{"file": "cards-0.jsonl", "line": line, "problem": "no text"} for line in range(1, 101)]
    return {
        "checked_at": now,
        "mapping": {"text": "text"},
        "content_hash": f"{documents:064x}",
        "files": files,
        "bytes": documents * 1000,
        "characters": documents * 1000,
        "records": documents + len(bad),
        "train_documents": documents - held_out,
        "validation_documents": held_out,
        "duplicates": 3,
        "near_duplicates": 1,
        "bad_count": len(bad),
        "bad_records": bad,
    }


def _preview() -> dict[str, Any]:
    record = dict.fromkeys(PREVIEW_FIELDS, "The sum of the three cards is 42. " * 10)
    files = [
        {
            "name": f"cards-{number:05d}.jsonl",
            "kind": "json lines",
            "bytes": 10_000,
            "records": [{"line": line, "record": record} for line in range(1, 6)],
            "problem": "",
        }
        for number in range(20)
    ]
    fields = [{"name": name, "records": 100, "example": record[name][:40]} for name in PREVIEW_FIELDS]
    return {"files": files, "fields": fields, "notes": [], "mapping": {"text": "text"}}


def _place(pk: int, run: Run | None) -> dict[str, Any]:
    if run is None:
        path = settings.RPT_DATA_DIR / "models" / f"filled-{pk}"
        return {"name": f"filled-{pk}", "source": ModelSource.FOLDER, "path": str(path)}
    path = RunDir(run.directory).checkpoint(STEPS)
    name = f"{run.name}, step {STEPS}"
    return {"name": name, "source": ModelSource.CHECKPOINT, "path": str(path), "run": run, "step": STEPS}
