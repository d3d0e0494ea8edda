"""Rows and files of a version whose files are fetched from an address (`workers.fetching`): all of them, or none.

    begin: a row for each file, if all have room --grow, arrive--> files in the version's folder --end--> fetched

A fetch that stops, however that happens, leaves nothing: its job clears up, or the next attempt, or at last the reaper.
Each write asks first whether the job still has the version, so an older attempt harms nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from rpt_core.files import force_to_disk, remove
from rpt_web.corpora.locks import locked_version
from rpt_web.corpora.models import CorpusVersion, Upload
from rpt_web.corpora.uploads import MOST_FILES, TooLarge, refuse_without_room
from rpt_web.jobs import services as jobs
from rpt_web.jobs.models import UNENDED, Job


class Lost(Exception):
    """The version is another job's by now, or another attempt's."""


def begin(version: CorpusVersion, job: Job, lengths: Mapping[str, int]) -> list[Upload]:
    """Rows for files that are to come, after what an attempt that died has left is removed.

    Raises TooLarge when there is no room for all of them, and Lost.
    """
    with transaction.atomic():
        fresh = _owned(version, job)
        _clear(fresh)
        _refuse_too_large(fresh, lengths)
        return Upload.objects.bulk_create(
            Upload(version=fresh, name=name, length=length, created_by_id=fresh.created_by_id)
            for name, length in lengths.items()
        )


def grow(upload: Upload, offset: int) -> None:
    """So many bytes have come. Raises Lost when nobody wants them any more."""
    if not Upload.objects.filter(pk=upload.pk).update(offset=offset, touched_at=Now()):
        raise Lost


def arrive(upload: Upload) -> None:
    """The file is whole: put it where files of the version lie. Raises Lost."""
    with transaction.atomic():
        if not Upload.objects.select_for_update().filter(pk=upload.pk).exists():
            raise Lost
        upload.target.parent.mkdir(parents=True, exist_ok=True)
        upload.part.replace(upload.target)
        force_to_disk(upload.target.parent)
        Upload.objects.filter(pk=upload.pk).update(completed_at=Now(), touched_at=Now())


def end(version: CorpusVersion, job: Job, notes: Sequence[str]) -> None:
    """All files are there; the notes say what was left out. Raises Lost."""
    with transaction.atomic():
        _owned(version, job)
        CorpusVersion.objects.filter(pk=version.pk).update(fetched_at=Now(), notes=list(notes))
    version.refresh_from_db(fields=["fetched_at", "notes"])


def give_up(version: CorpusVersion, job: Job) -> None:
    """Remove what has come so far. Raises Lost when that is another's."""
    with transaction.atomic():
        _clear(_owned(version, job))


def clean_up(limit: int = 100) -> int:
    """Remove what fetches have left whose worker died for good. Returns of how many versions."""
    unfetched = CorpusVersion.objects.filter(fetched_at=None, uploads__isnull=False).exclude(address="")
    left = unfetched.exclude(job__state__in=UNENDED).distinct().order_by("id")
    cleared = 0
    for version in left[:limit]:
        with transaction.atomic():
            found = CorpusVersion.objects.select_for_update(no_key=True).filter(pk=version.pk, fetched_at=None).first()
            if found is not None and not found.is_busy:
                _clear(found)
                cleared += 1
    return cleared


def _owned(version: CorpusVersion, job: Job) -> CorpusVersion:
    fresh = locked_version(version.pk)
    if fresh.job_id != job.pk or not jobs.owned(job).exists():
        raise Lost
    return fresh


def _clear(version: CorpusVersion) -> None:
    if version.fetched_at is not None:
        return
    for upload in version.uploads.all():
        upload.part.unlink(missing_ok=True)
    version.uploads.all().delete()
    remove(version.folder / "files")


def _refuse_too_large(version: CorpusVersion, lengths: Mapping[str, int]) -> None:
    if len(lengths) > MOST_FILES:
        raise TooLarge(f"{version.address} has {len(lengths):,} files, and a version at most {MOST_FILES:,}.")
    total = sum(lengths.values())
    if total > settings.RPT_UPLOAD_BYTES:
        raise TooLarge(
            f"{version.address} is too large: its files have {total:,} bytes, and a version at most "
            f"{settings.RPT_UPLOAD_BYTES:,}. Name a part of it, or ask an administrator to raise RPT_UPLOAD_BYTES."
        )
    refuse_without_room(version.corpus.team_id, total, total)
