"""Which runs name a version of a corpus, and which versions a run names: by the paths of their configs.

In: versions, runs. Out: runs, and what is known of the versions, also of those that are deleted by now.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db.models import Q

from rpt_core.config import STAGES
from rpt_core.config.reads import Reads, readings
from rpt_core.config.rules import sound_part
from rpt_web.corpora.models import CorpusVersion, DeletedVersion
from rpt_web.runs.models import UNFINISHED, Run


@dataclass(frozen=True)
class NamedVersion:
    """A version that a run names."""

    corpus_name: str
    number: int
    content_hash: str
    corpus_id: int
    deleted_at: datetime | None = None


def unfinished_runs(versions: Iterable[CorpusVersion]) -> list[Run]:
    """Runs that wait, are queued or run and whose config, or plan, names one of the versions; oldest first."""
    places = [_absolute(version.place) for version in versions]
    runs = Run.objects.filter(status__in=UNFINISHED).select_related("experiment").order_by("id")
    return [run for run in runs if any(_touch(path, place) for path in paths_of(run) for place in places)]


def versions_named(run: Run) -> list[NamedVersion]:
    """The versions that a run's config names for its texts, those that are gone at the end (2 queries at most)."""
    paths = [Path(path) for path in paths_of(run, Reads.DATA)]
    around = {place for path in paths for place in (path, *path.parents)}
    places = {spelt for place in around for spelt in _spellings(place)}
    if not places:
        return []
    uploaded = [Q(corpus=corpus, number=number, path="") for path in paths for corpus, number in _uploaded(path)]
    there = Q(path__in=places)
    for one in uploaded:
        there |= one
    live = CorpusVersion.objects.filter(there).exclude(checked_at=None).select_related("corpus").order_by("id")
    found = [NamedVersion(each.corpus.name, each.number, each.content_hash, each.corpus_id) for each in live]
    gone = DeletedVersion.objects.filter(place__in=places).exclude(content_hash="")
    return found + [
        NamedVersion(each.corpus_name, each.number, each.content_hash, each.corpus_key, each.deleted_at)
        for each in gone
    ]


def paths_of(run: Run, *kinds: Reads) -> set[str]:
    """The paths of some kinds, or of all, that its config names, or else its plan; written out."""
    values = run.config or run.plan
    if run.stage not in STAGES or not values:
        return set()
    part = sound_part(STAGES[run.stage], values)
    wanted = kinds or set(Reads) - {Reads.ADDRESS}
    return {_absolute(found.value) for found in readings(part) if found.value and found.kind in wanted}


def _absolute(value: str) -> str:
    return os.path.normpath(settings.ROOT / value)


def _spellings(path: Path) -> Iterator[str]:
    """A path as a version may have it: whole, or from the folder in which the platform runs."""
    yield str(path)
    if path.is_relative_to(settings.ROOT):
        yield str(path.relative_to(settings.ROOT))


def _touch(one: str, other: str) -> bool:
    """Whether one of two paths lies in the other, or they are the same."""
    return os.path.commonpath([one, other]) in (one, other)


def _uploaded(path: Path) -> Iterator[tuple[int, int]]:
    """The corpus and the number of the version in whose uploaded files a path lies."""
    root = settings.RPT_DATA_DIR / "corpora"
    parts = path.relative_to(root).parts if path.is_relative_to(root) else ()
    if len(parts) > 2 and parts[2] == "files" and all(part.isdecimal() and len(part) < 10 for part in parts[:2]):
        yield int(parts[0]), int(parts[1])
