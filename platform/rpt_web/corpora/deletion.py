"""Deleting a corpus, or one version of it: refused while a run that has not finished names it, done by a job.

    ask: refused in words, or the versions belong to the job: nobody looks at them, checks them or adds to them any more
    job: the folder is set aside --> the rows go, in one transaction --> the disk is freed

Until the transaction everything is there, after it nothing is that anybody could name; a job that died in between is
done again, and ends the same way. Only what the platform keeps is removed, never a folder outside that a version was
read from. Finished runs keep their record: what they have read stays in `DeletedVersion`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.db import transaction

from rpt_core.errors import UserError
from rpt_core.files import remove
from rpt_core.words import counted, listed
from rpt_web.corpora import naming
from rpt_web.corpora.locks import locked, locked_corpus
from rpt_web.corpora.models import DELETE, Corpus, CorpusVersion, DeletedVersion
from rpt_web.jobs import services as jobs
from rpt_web.jobs.models import Job
from rpt_web.teams.models import User

SET_ASIDE = ".deleted"
"""Ends the name of a version's folder once it may not be read any more."""
RUNS_NAMED = 10
_BUSY = "is being read at the moment. Wait until that has ended, or cancel it."


def ask(corpus: Corpus, user: User, version: CorpusVersion | None = None) -> Job:
    """Have a corpus deleted, or one version alone. Raises UserError when that may not be."""
    with transaction.atomic():
        locked_corpus(corpus.pk)
        asked = corpus.versions.all() if version is None else corpus.versions.filter(pk=version.pk)
        versions = locked(asked)
        for busy in filter(lambda found: found.is_busy, versions):
            is_going = "is being deleted already." if busy.is_being_deleted else _BUSY
            raise UserError(f"Version {busy.number} {is_going}")
        _refuse_used(versions)
        arguments = {
            "corpus": corpus.pk,
            "numbers": [found.number for found in versions],
            "parts": [str(upload.part) for found in versions for upload in found.uploads.filter(completed_at=None)],
            "whole": version is None,
        }
        job = jobs.submit(DELETE, arguments, user)
        CorpusVersion.objects.filter(pk__in=[found.pk for found in versions]).update(job=job)
    return job


def delete_version(job: Job, number: int) -> int:
    """Delete one version of a job; returns how many bytes that has freed. Raises UserError when a run has come."""
    corpus_id = job.arguments["corpus"]
    folder = settings.RPT_DATA_DIR / "corpora" / str(corpus_id) / str(number)
    aside = folder.with_name(f"{number}{SET_ASIDE}")
    version = CorpusVersion.objects.select_related("corpus").filter(corpus=corpus_id, number=number, job=job).first()
    if version is not None:
        if folder.exists() and not aside.exists():
            folder.rename(aside)
        try:
            _forget(version)
        except UserError:
            if aside.exists():
                aside.rename(folder)
            raise
    elif CorpusVersion.objects.filter(corpus=corpus_id, number=number).exists():  # another job's by now
        return 0
    return remove(aside) + remove(folder)


def delete_rest(job: Job) -> int:
    """Delete what is left when the versions of a job are gone; returns how many bytes that has freed."""
    corpus_id = job.arguments["corpus"]
    folder = settings.RPT_DATA_DIR / "corpora" / str(corpus_id)
    gone = DeletedVersion.objects.filter(corpus_key=corpus_id).values_list("number", flat=True)
    left = [Path(part) for part in job.arguments["parts"]] + [folder / f"{number}{SET_ASIDE}" for number in gone]
    freed = sum(map(remove, left))
    if job.arguments["whole"]:
        _forget_corpus(corpus_id)
        with suppress(OSError):  # an administrator may keep something of their own there
            folder.rmdir()
    return freed


def _forget_corpus(corpus_id: int) -> None:
    with transaction.atomic():
        corpus = Corpus.objects.select_for_update().filter(pk=corpus_id).first()
        if corpus is not None and corpus.versions.exists():
            raise UserError("Somebody has made a new version meanwhile. The corpus stays, with that version alone.")
        if corpus is not None:
            corpus.delete()


def _forget(version: CorpusVersion) -> None:
    """Rows of a version -> what stays of it. Raises UserError when a run names it."""
    with transaction.atomic():
        CorpusVersion.objects.select_for_update().get(pk=version.pk)
        _refuse_used([version])
        DeletedVersion.objects.create(
            corpus_key=version.corpus_id,
            corpus_name=version.corpus.name,
            number=version.number,
            place=version.place,
            content_hash=version.content_hash,
        )
        version.delete()


def _refuse_used(versions: Sequence[CorpusVersion]) -> None:
    """Runs of other teams are counted alone: whoever deletes may not know of them."""
    runs = naming.unfinished_runs(versions) if versions else []
    if not runs:
        return
    team = versions[0].corpus.team_id
    own = [run for run in runs if run.experiment.team_id == team]
    told = [f"“{run.name}” of “{run.experiment.name}” ({run.status})" for run in own[:RUNS_NAMED]]
    more = [(len(own) - len(told), "more run"), (len(runs) - len(own), "run")]
    rest = [counted(number, noun) for number, noun in more if number]
    if len(runs) > len(own):
        rest[-1] += " of other teams"
    raise UserError(
        f"It cannot be deleted: runs that have not finished name it: {listed([*told, *rest])}. Wait until they have "
        "ended, or cancel them."
    )
