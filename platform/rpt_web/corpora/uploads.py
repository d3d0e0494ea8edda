"""Files on their way in: the server's side of the tus protocol (tus.io, 1.0.0) as far as it concerns rows and files.

    begin --> Upload row --open_to_append, note--> part below RPT_DATA_DIR/uploads --whole--> the version's folder

What counts is the row's offset: so many bytes are safe on the disk. What lies behind them was on its way when something
died, and is cut off. A file that is being added to is locked; uploads that nobody continues are forgotten.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from datetime import timedelta
from functools import partial
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, Sum
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.http import http_date

from rpt_core.errors import UserError
from rpt_core.files import force_to_disk
from rpt_core.text.files import KINDS, kind_of
from rpt_web.characters import unfit_for_a_name
from rpt_web.corpora.locks import locked_version
from rpt_web.corpora.models import CorpusVersion, Upload
from rpt_web.runs import usage
from rpt_web.serving.uploads import Grant
from rpt_web.teams.models import User
from rpt_web.text import clean_text

LONGEST_PATH, LONGEST_PART, DEEPEST = 800, 200, 10
"""Bytes of a file's path and of each part of it, and how many parts it may have."""
MOST_FILES = 10_000
SPARE_BYTES = 500_000_000
"""Room that an upload leaves on the disk, for runs."""
logger = logging.getLogger(__name__)


class TooLarge(UserError):
    """More than is taken at once, or than the disk has room for."""


class Taken(UserError):
    """The version has such a file already, or takes none any more."""


class Locked(UserError):
    """Another request adds to this file at the moment."""


class WrongOffset(UserError):
    """The file does not end where the sender wants to go on."""


def begin(version: CorpusVersion, name: str, length: int, user: User) -> Upload:
    """A new upload of a file. Raises UserError and its kinds above."""
    name = checked_name(name)
    _check_length(version, name, length)
    with transaction.atomic():
        refuse_closed(locked_version(version.pk))
        _refuse_file_as_folder(version, name)
        there = version.uploads.filter(name=name).first()
        if there is not None and there.completed_at is not None:
            raise Taken(f"{name!r} is there already. Remove it first, or rename yours.")
        if there is not None:  # begun in another browser, or by somebody who has lost its address
            discard(there)
        if version.uploads.count() >= MOST_FILES:
            raise Taken(f"A version has at most {MOST_FILES:,} files. Join some of them, or pack them into Parquet.")
        return version.uploads.create(name=name, length=length, created_by=user)


def remove(upload: Upload) -> None:
    """Take a file, whole or not, out of its version. Raises Taken when the files of that may not change."""
    with transaction.atomic():
        refuse_closed(locked_version(upload.version_id))
        discard(upload)


def refuse_closed(version: CorpusVersion) -> None:
    """Raises Taken when the files of a version may not change."""
    if version.path:
        raise Taken(f"This version is read from {version.path}. Make a new version to upload files.")
    if version.address:
        raise Taken(f"The files of this version come from {version.address}. Make a new version to upload files.")
    if version.is_checked:
        raise Taken("This version was checked and does not change any more. Make a new version.")
    if version.is_being_deleted:
        raise Taken("This version is being deleted.")
    if version.is_busy:
        raise Taken("The files of this version are being read. Wait until that has ended, or cancel it.")


def checked_name(name: str) -> str:
    """A file's path within its version. Raises UserError for one that cannot lie there or is not read."""
    shown = repr(clean_text(name)[:200])
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if (character := unfit_for_a_name(name)) is not None:
        raise UserError(f"{shown} cannot be the name of a file: it holds {character}. Rename it.")
    if not parts or name.startswith(("/", "\\")) or any(part.startswith(".") for part in parts):
        raise UserError(f"{shown} cannot be uploaded: no part of the path may begin with a dot or a slash. Rename it.")
    if len(parts) > DEEPEST or len(name.encode()) > LONGEST_PATH or any(len(p.encode()) > LONGEST_PART for p in parts):
        raise UserError(
            f"The path {shown} is too long. Give at most {LONGEST_PATH} bytes, {LONGEST_PART} between two slashes, and "
            f"{DEEPEST} parts."
        )
    if kind_of(Path(name)) is None:
        raise UserError(
            f"{shown} is not read: files that end in {', '.join(KINDS)} are, all but Parquet and Arrow also packed as "
            ".gz, .zst or .bz2. Convert or unpack it."
        )
    return "/".join(parts)


def open_to_append(upload: Upload, offset: int, checksum: tuple[str, bytes] | None = None) -> Grant:
    """Leave to add to a file from an offset on. Raises Locked, WrongOffset, or Taken for a version that is closed."""
    refuse_closed(upload.version)
    upload.part.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(upload.part, os.O_RDWR | os.O_CREAT, 0o640)
    file = os.fdopen(descriptor, "r+b")
    try:
        _lock(file.fileno())
        upload.refresh_from_db(fields=["offset", "completed_at"])
        if upload.completed_at is not None or offset != upload.offset:
            raise WrongOffset(f"The file ends at {upload.offset:,}. Continue there.")
        if os.fstat(descriptor).st_size < offset:  # its disk has lost it: nobody can go on
            discard(upload)
            raise WrongOffset("What had arrived of this file is lost. Send it again from the beginning.")
        file.truncate(offset)
        file.seek(offset)
    except BaseException:
        file.close()
        raise
    return Grant(file, offset, upload.length, partial(_note_alone, upload), checksum)


def note(upload: Upload, offset: int) -> None:
    """So many bytes are on the disk; the whole file goes to its place, unless its version was deleted meanwhile."""
    is_there = Upload.objects.filter(pk=upload.pk).update(offset=offset, touched_at=Now())
    if is_there and offset == upload.length:
        _complete(upload)


def discard(upload: Upload) -> None:
    """Forget an upload, and remove its file, whole or not."""
    Upload.objects.filter(pk=upload.pk).delete()
    upload.part.unlink(missing_ok=True)
    upload.target.unlink(missing_ok=True)


def expires_after() -> timedelta:
    """How long an upload is kept that nobody continues."""
    return timedelta(days=settings.RPT_UPLOAD_DAYS)


def expiry() -> str:
    """Until when an upload is kept that is touched now, as an HTTP date."""
    return http_date((timezone.now() + expires_after()).timestamp())


def clean_up(limit: int = 100) -> int:
    """Forget uploads that nobody has gone on with for long. Returns how many."""
    abandoned = Upload.objects.filter(completed_at=None, touched_at__lt=Now() - expires_after(), version__address="")
    uploads = list(abandoned.select_related("version").order_by("touched_at")[:limit])
    for upload in uploads:
        logger.info("the upload %s of %s is given up: nothing came since %s", upload.pk, upload.name, upload.touched_at)
        discard(upload)
    return len(uploads)


def _note_alone(upload: Upload, offset: int) -> None:
    """The same in a thread that answers no request, and so has to give its connection back."""
    try:
        note(upload, offset)
    finally:
        if not connection.in_atomic_block:
            connection.close()


def _complete(upload: Upload) -> None:
    upload.target.parent.mkdir(parents=True, exist_ok=True)
    if upload.part.exists():  # else it was moved when somebody died before the row was written
        upload.part.replace(upload.target)
    force_to_disk(upload.target.parent)
    Upload.objects.filter(pk=upload.pk).update(completed_at=Now())
    CorpusVersion.objects.filter(pk=upload.version_id, checked_at=None).update(preview={})


def _lock(descriptor: int) -> None:
    """Raises Locked when another request has it; the lock goes with the descriptor, however its process ends."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Locked("Another request adds to this file. Try again in some seconds.") from None


def _refuse_file_as_folder(version: CorpusVersion, name: str) -> None:
    """Where `a.jsonl` lies there is no place for `a.jsonl/b.jsonl`, nor the other way round."""
    around = [str(folder) for folder in PurePosixPath(name).parents]
    other = version.uploads.filter(Q(name__in=around) | Q(name__startswith=f"{name}/")).first()
    if other is not None:
        raise Taken(f"{name!r} has no place beside {other.name!r}: one would be a file and a folder. Rename yours.")


def _check_length(version: CorpusVersion, name: str, length: int) -> None:
    if length <= 0:
        raise UserError(f"{name!r} is empty (0 bytes). Leave it out.")
    taken = version.uploads.exclude(name=name).aggregate(total=Sum("length"))["total"] or 0
    if taken + length > settings.RPT_UPLOAD_BYTES:
        raise TooLarge(
            f"{name!r} is too large: it has {length:,} bytes, and {max(0, settings.RPT_UPLOAD_BYTES - taken):,} of the "
            f"{settings.RPT_UPLOAD_BYTES:,} of a version are left. Pack it, or ask an administrator to raise "
            "RPT_UPLOAD_BYTES or to put the files on the server."
        )
    replaced = version.uploads.filter(name=name).aggregate(total=Sum("length"))["total"] or 0
    refuse_without_room(version.corpus.team_id, length - replaced, length)


def refuse_without_room(team_id: int, more: int, coming: int) -> None:
    """Raises TooLarge when a team may not take so many bytes more, or the disk has no room for what is coming."""
    try:
        usage.refuse_over_quota(team_id, more)
    except usage.OverQuota as error:
        raise TooLarge(str(error)) from None
    free = shutil.disk_usage(settings.RPT_DATA_DIR).free - SPARE_BYTES
    if coming > free:
        raise TooLarge(f"The server's disk has room for {max(0, free):,} bytes. Ask an administrator to free some.")
