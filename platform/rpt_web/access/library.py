"""Corpora, models and wordings: who sees and who changes them."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404

from rpt_web.access.roles import Actor, found_or_404, refusal, require_change, role_in, seen
from rpt_web.corpora.models import Corpus, CorpusVersion, RegisteredModel, Upload, Wording
from rpt_web.teams.models import (
    Role,
    User,
)


def models_for(user: Actor) -> QuerySet[RegisteredModel]:
    """Registered models of the teams that the user is in, newest first."""
    found = RegisteredModel.objects.select_related("created_by", "job", "team").order_by("-id")
    return found.filter(seen(user, "model"))


def get_model_or_404(user: Actor, model_id: int, *, to_change: bool = False) -> RegisteredModel:
    """A registered model that the user may see. Raises Http404, or PermissionDenied when it is to be changed."""
    model = found_or_404(models_for(user).filter(pk=model_id), "model", model_id)
    if to_change:
        require_change(user, model.team_id)
    return model


def wordings_for(user: Actor) -> QuerySet[Wording]:
    """Prompt templates and pattern lists of the teams that the user is in, by name."""
    found = Wording.objects.select_related("created_by", "team").order_by("name", "id")
    return found.filter(seen(user, "wording"))


def get_wording_or_404(user: Actor, wording_id: int, *, to_change: bool = False) -> Wording:
    """One that the user may see. Raises Http404, or PermissionDenied when it is to be changed and may not be."""
    wording = found_or_404(wordings_for(user).filter(pk=wording_id), "wording", wording_id)
    if to_change:
        require_change(user, wording.team_id)
    return wording


def corpora_for(user: Actor) -> QuerySet[Corpus]:
    """Corpora the user may see."""
    corpora = Corpus.objects.select_related("created_by", "team")
    if isinstance(user, User) and user.is_superuser and user.is_active:
        return corpora
    return corpora.filter(seen(user, "corpus"))


def can_edit_corpus(user: Actor, corpus: Corpus) -> bool:
    """Whether the user may give this corpus versions and files, and describe it."""
    role = role_in(user, corpus.team_id)
    return role == Role.ADMINISTRATOR or (role == Role.MEMBER and corpus.created_by_id == user.pk)


def get_corpus_or_404(user: Actor, corpus_id: int, *, to_change: bool = False) -> Corpus:
    """A corpus the user may see. Raises Http404, or PermissionDenied when it is to be changed and may not be."""
    corpus = found_or_404(corpora_for(user).filter(pk=corpus_id), "corpus", corpus_id)
    if to_change:
        _require_corpus(user, corpus)
    return corpus


def get_version_or_404(user: Actor, corpus_id: int, number: int, *, to_change: bool = False) -> CorpusVersion:
    """A version of a corpus by its number. Raises as `get_corpus_or_404`."""
    versions = CorpusVersion.objects.filter(corpus__in=corpora_for(user), corpus_id=corpus_id, number=number)
    return _version(user, versions, number, to_change)


def get_version_by_id_or_404(user: Actor, version_id: int, *, to_change: bool = False) -> CorpusVersion:
    """A version by its own id. Raises as `get_corpus_or_404`."""
    versions = CorpusVersion.objects.filter(corpus__in=corpora_for(user), pk=version_id)
    return _version(user, versions, version_id, to_change)


def get_upload_or_404(user: Actor, upload_id: UUID) -> Upload:
    """An upload that the user may continue: whoever may change its corpus. Raises as `get_corpus_or_404`."""
    uploads = Upload.objects.filter(pk=upload_id, version__corpus__in=corpora_for(user))
    upload = uploads.select_related("version__corpus", "version__job").first()
    if upload is None:
        raise Http404("There is no such upload: it has ended long ago, or was removed. Start it over.")
    _require_corpus(user, upload.version.corpus)
    return upload


def _version(user: Actor, rows: QuerySet[CorpusVersion], key: int, to_change: bool) -> CorpusVersion:
    version = found_or_404(rows.select_related("corpus__created_by", "job"), "version", key)
    if to_change:
        _require_corpus(user, version.corpus)
    return version


def _require_corpus(user: Actor, corpus: Corpus) -> None:
    require_change(user, corpus.team_id)
    if not can_edit_corpus(user, corpus):
        raise refusal(
            user,
            f"Members change only their own corpora, and {corpus.name!r} belongs to "
            f"{corpus.created_by or 'a program'}. Ask them or an administrator of the team.",
        )
