"""A corpus, or a version of one, for a change: as it is now, and locked until the transaction ends.

In: an id that somebody was shown. Out: the fresh row; a UserError when it has been deleted since.
"""

from __future__ import annotations

from django.db.models import QuerySet

from rpt_core.errors import UserError
from rpt_web.corpora.models import Corpus, CorpusVersion


def locked_corpus(corpus_id: int) -> Corpus:
    """So that two do not give it a version, or delete it, at the same time."""
    found = Corpus.objects.select_for_update(no_key=True).filter(pk=corpus_id).first()
    if found is None:
        raise UserError("This corpus has just been deleted.")
    return found


def locked_version(version_id: int) -> CorpusVersion:
    """So that its files do not change while a check of it begins."""
    found = locked(CorpusVersion.objects.filter(pk=version_id))
    if not found:
        raise UserError("This version has just been deleted.")
    return found[0]


def locked(versions: QuerySet[CorpusVersion]) -> list[CorpusVersion]:
    """Versions with what belongs to them left to be read later: joined to a row that is waited for, it would be what it
    was before the wait."""
    return list(versions.select_related(None).select_for_update(no_key=True))
