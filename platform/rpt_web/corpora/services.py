"""What changes corpora: made, given a version, looked at, mapped, checked. Files come by `corpora.uploads`, or are
fetched from an address by the first of its jobs (`corpora.fetched`).

    version: open (files come and go) --look--> open with a preview --check--> checked: fixed, runs may read it

A look and a check are jobs of the quick lane; what they have found is stored here, and only by the newest job of the
version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Max, QuerySet
from django.db.models.functions import Now
from pydantic import ValidationError

from rpt_core.config import FieldMapping
from rpt_core.config.reads import Reading, Reads
from rpt_core.errors import UserError
from rpt_web.corpora import addresses
from rpt_web.corpora.locks import locked_corpus, locked_version
from rpt_web.corpora.models import Corpus, CorpusVersion, DeletedVersion
from rpt_web.jobs import services as jobs
from rpt_web.jobs.models import Job
from rpt_web.runs import checks, reach
from rpt_web.runs.models import Run
from rpt_web.teams.membership import home_of
from rpt_web.teams.models import Team, User
from rpt_web.text import clean_json

LOOK, CHECK = "look_at_corpus", "check_corpus"
LONGEST_NAME = 200


def create_corpus(
    name: str, user: User, *, team: Team | None = None, licence: str = "", source: str = "", notes: str = ""
) -> Corpus:
    """A new corpus of a team (without one, of the user's first), without a version.

    Raises UserError for texts that cannot be shown or stored.
    """
    described = _described(name, licence, source, notes)
    return Corpus.objects.create(team=team or home_of(user), created_by=user, **described)


def describe_corpus(corpus: Corpus, name: str, *, licence: str, source: str, notes: str) -> None:
    """Change what is known of a corpus. Raises UserError as `create_corpus`."""
    Corpus.objects.filter(pk=corpus.pk).update(**_described(name, licence, source, notes))


def new_version(corpus: Corpus, user: User, path: str = "") -> CorpusVersion:
    """The next version: files are to be uploaded, lie at a path that may be read, or are fetched from an address.

    Raises UserError for another path or address.
    """
    path = path.strip()
    if addresses.is_address(path):
        words, place = addresses.why_not(path), {"address": path}
    else:
        words = reach.why_not(Reading("path", path, Reads.DATA), [corpus.team_id]) if path else ""
        place = {"path": path}
    if words:
        raise UserError(words)
    with transaction.atomic():
        locked_corpus(corpus.pk)
        return corpus.versions.create(number=_next_number(corpus), created_by=user, **place)


def look(version: CorpusVersion, user: User) -> Job:
    """Have the first records of each file read, for the choice of a mapping. Raises UserError when it cannot be."""
    return _submit(LOOK, version, user, {})


def check(version: CorpusVersion, mapping: Mapping[str, Any], user: User) -> Job:
    """Have all of a version read as a run would, with this mapping. Raises UserError when it cannot be."""
    chosen = checked_mapping(mapping)
    return _submit(CHECK, version, user, {"mapping": chosen})


def checked_mapping(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """A field mapping as runs have it. Raises UserError for one that names no text."""
    try:
        return FieldMapping.model_validate(dict(mapping)).model_dump(mode="json")
    except ValidationError as error:
        raise UserError(checks.in_words(error)) from None


def store_preview(version_id: int, job: Job, preview: Mapping[str, Any]) -> bool:
    """What a look has found; False when another job has come since."""
    return bool(_of_job(version_id, job).update(preview=clean_json(dict(preview))))


def store_check(version_id: int, job: Job, found: Mapping[str, Any]) -> bool:
    """What a check has found, which fixes the version; False when another job has come since."""
    mapping = job.arguments["mapping"]
    return bool(_of_job(version_id, job).update(mapping=mapping, checked_at=Now(), **clean_json(dict(found))))


def corpus_setting(version: CorpusVersion) -> dict[str, Any]:
    """The version as a run's `corpus` names it."""
    mapping = {name: field for name, field in version.mapping.items() if field is not None}
    if "text" not in mapping:
        mapping["text"] = None
    return {"source": "files", "paths": [version.place], "mapping": "text" if mapping == {"text": "text"} else mapping}


def runs_that_read(version: CorpusVersion, visible: QuerySet[Run]) -> QuerySet[Run]:
    """Runs whose config names the version, newest first."""
    return visible.filter(config__corpus__paths__contains=[version.place]).order_by("-id")


def same_content(version: CorpusVersion) -> CorpusVersion | None:
    """An older version of the corpus with the same files."""
    if not version.content_hash:
        return None
    same = CorpusVersion.objects.filter(corpus=version.corpus_id, content_hash=version.content_hash)
    return same.filter(number__lt=version.number).order_by("number").first()


def _submit(kind: str, version: CorpusVersion, user: User, arguments: dict[str, Any]) -> Job:
    with transaction.atomic():
        fresh = locked_version(version.pk)
        if fresh.is_checked:
            raise UserError("This version was checked and does not change any more. Make a new version.")
        if fresh.is_being_deleted:
            raise UserError("It is being deleted.")
        if fresh.is_busy:
            raise UserError("It is being read already. Wait until that has ended, or cancel it.")
        has_own = not fresh.path and not fresh.address
        if has_own and not fresh.uploads.exclude(completed_at=None).exists():
            raise UserError("There is no file yet. Upload some first.")
        if has_own and fresh.uploads.filter(completed_at=None).exists():
            raise UserError("Some files are not complete. Continue their upload, or remove them.")
        job = jobs.submit(kind, {"version": fresh.pk, **arguments}, user)
        CorpusVersion.objects.filter(pk=fresh.pk).update(job=job)
    version.job = job
    return job


def _next_number(corpus: Corpus) -> int:
    """One that no version has, or had: configs name versions by it."""
    taken = (corpus.versions.all(), DeletedVersion.objects.filter(corpus_key=corpus.pk))
    return max(rows.aggregate(last=Max("number"))["last"] or 0 for rows in taken) + 1


def _of_job(version_id: int, job: Job) -> QuerySet[CorpusVersion]:
    return CorpusVersion.objects.filter(pk=version_id, job=job, checked_at=None)


def _described(name: str, licence: str, source: str, notes: str) -> dict[str, str]:
    return {
        "name": checks.checked_name(name, "corpus", LONGEST_NAME),
        "licence": checks.checked_title(licence),
        "source": checks.checked_title(source),
        "notes": checks.checked_description(notes),
    }
