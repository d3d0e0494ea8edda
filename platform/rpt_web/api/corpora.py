"""Corpora by the API: lists, a new one, a check, and the jobs that look and check. Files come by the tus protocol.

Operations here are registered by `add_operations`, so that they stand in the one document of the API.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import path
from ninja import NinjaAPI
from ninja import Status as Answer
from pydantic import Field

from rpt_core.config import FieldMapping
from rpt_web import access
from rpt_web.api.bodies import Body
from rpt_web.api.errors import conflicts, refusals_at, tokens_alone
from rpt_web.api.paging import After, Limit, page_of, user_of
from rpt_web.api.plain import PlainSchema
from rpt_web.api.schemas import OfTeam, Page, Refused
from rpt_web.corpora import deletion, services, tus
from rpt_web.corpora.models import Corpus, CorpusVersion, Upload
from rpt_web.jobs.models import Job


class CorpusOut(OfTeam):
    """Texts that belong together."""

    id: int
    name: str
    licence: str
    source: str
    notes: str
    created_at: datetime


class JobOut(PlainSchema):
    """Work of the quick lane."""

    id: int
    kind: str
    state: str = Field(description="queued, running, succeeded, failed or cancelled.")
    progress: float | None = Field(description="From 0 to 1; null while it is not known.")
    message: str
    error: str = Field(description="Why it failed, or why no worker has taken it yet.")
    created_at: datetime
    finished_at: datetime | None


class VersionOut(PlainSchema):
    """The files of a corpus at one time."""

    id: int
    number: int
    place: str = Field(description="What a run names in `corpus.paths`.")
    address: str = Field(description="Where its files are fetched from, by the first job; empty for others.")
    mapping: dict[str, Any]
    checked_at: datetime | None = Field(description="Null until a check has read all of it; runs read it after that.")
    content_hash: str
    bytes: int | None
    records: int | None
    train_documents: int | None
    validation_documents: int | None
    duplicates: int | None
    near_duplicates: int | None
    bad_count: int | None
    bad_records: list[dict[str, Any]] = Field(description="file, line and problem of the first of them.")
    notes: list[str]
    job_id: int | None = Field(description="The newest look at it or check of it, or its deletion.")


class CorpusIn(Body):
    """A new corpus."""

    name: str
    licence: str = ""
    source: str = ""
    notes: str = ""
    team: int | None = Field(
        default=None,
        ge=1,
        lt=2**63,
        description="Id of the team it belongs to; empty takes the first where the token's user may change things.",
    )


class VersionIn(Body):
    """A new version of a corpus."""

    path: str = Field(
        default="",
        description="A file or folder on the server, or an address that is allowed, such as `s3://texts/sums`; empty "
        "where files are to be uploaded.",
    )


class CheckIn(Body):
    """A check of a version."""

    mapping: FieldMapping = Field(description="Which fields of a record hold what.")


def add_operations(api: NinjaAPI) -> None:
    """Register what is below."""
    tags = ["corpora"]
    api.get("/corpora", response=Page[CorpusOut], tags=tags)(corpora)
    api.post("/corpora", response={201: CorpusOut}, tags=tags)(create_corpus)
    api.delete("/corpora/{int:corpus_id}", response={202: JobOut, 409: Refused}, tags=tags)(delete_corpus)
    api.get("/corpora/{int:corpus_id}/versions", response=Page[VersionOut], tags=tags)(versions)
    api.post("/corpora/{int:corpus_id}/versions", response={201: VersionOut}, tags=tags)(create_version)
    api.get("/versions/{int:version_id}", response=VersionOut, tags=tags)(version_detail)
    api.delete("/versions/{int:version_id}", response={202: JobOut, 409: Refused}, tags=tags)(delete_version)
    api.post("/versions/{int:version_id}/check", response={202: JobOut, 409: Refused}, tags=tags)(check)
    api.get("/jobs/{int:job_id}", response=JobOut, tags=tags)(job_detail)


def corpora(request: HttpRequest, after: After = None, limit: Limit = 50) -> dict[str, Any]:
    """Corpora, newest first."""
    return page_of(access.corpora_for(user_of(request)), "-id", after, limit)


def create_corpus(request: HttpRequest, corpus: CorpusIn) -> Answer[Corpus]:
    """Make a corpus without a version."""
    user = user_of(request)
    access.require_change_somewhere(user)
    values = corpus.model_dump()
    asked = values.pop("team")
    with refusals_at("team"):
        team = None if asked is None else access.get_team_or_404(user, asked, to_change=True)
    return Answer(201, services.create_corpus(user=user, team=team, **values))


def delete_corpus(request: HttpRequest, corpus_id: int) -> Answer[Job]:
    """Have a corpus deleted with all its versions and their uploaded files; look at the job."""
    user = user_of(request)
    corpus = access.get_corpus_or_404(user, corpus_id, to_change=True)
    with conflicts():
        return Answer(202, deletion.ask(corpus, user))


def versions(request: HttpRequest, corpus_id: int, after: After = None, limit: Limit = 50) -> dict[str, Any]:
    """Versions of a corpus, newest first."""
    corpus = access.get_corpus_or_404(user_of(request), corpus_id)
    return page_of(corpus.versions.defer("preview", "files"), "-number", after, limit)


def create_version(request: HttpRequest, corpus_id: int, version: VersionIn) -> Answer[CorpusVersion]:
    """Make the next version. Its files are uploaded by the tus protocol at /api/v1/uploads/, lie at a path, or
    are fetched from an address."""
    user = user_of(request)
    corpus = access.get_corpus_or_404(user, corpus_id, to_change=True)
    with refusals_at("path"):
        return Answer(201, services.new_version(corpus, user, version.path))


def version_detail(request: HttpRequest, version_id: int) -> CorpusVersion:
    """One version."""
    return access.get_version_by_id_or_404(user_of(request), version_id)


def delete_version(request: HttpRequest, version_id: int) -> Answer[Job]:
    """Have a version deleted with its uploaded files; look at the job."""
    user = user_of(request)
    version = access.get_version_by_id_or_404(user, version_id, to_change=True)
    with conflicts():
        return Answer(202, deletion.ask(version.corpus, user, version))


def check(request: HttpRequest, version_id: int, asked: CheckIn) -> Answer[Job]:
    """Have all of a version read as a run would; look at the job."""
    user = user_of(request)
    version = access.get_version_by_id_or_404(user, version_id, to_change=True)
    with conflicts():
        return Answer(202, services.check(version, asked.mapping.model_dump(mode="json"), user))


def job_detail(request: HttpRequest, job_id: int) -> Job:
    """One job of the quick lane."""
    return access.get_job_or_404(user_of(request), job_id)


@tokens_alone
def upload_begin(request: HttpRequest) -> HttpResponse:
    """Begin an upload by the tus protocol."""
    if request.method not in ("OPTIONS", "POST"):
        return HttpResponse(status=405, headers={"Allow": "OPTIONS, POST"})
    return tus.begin(request, _version)


@tokens_alone
def upload_go_on(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """Ask how far an upload is, add to it, or give it up."""
    if request.method not in ("HEAD", "PATCH", "DELETE"):
        return HttpResponse(status=405, headers={"Allow": "DELETE, HEAD, PATCH"})
    return tus.go_on(request, upload_id, _upload)


def _version(request: HttpRequest, version_id: int) -> CorpusVersion:
    return access.get_version_by_id_or_404(user_of(request), version_id, to_change=True)


def _upload(request: HttpRequest, upload_id: UUID) -> Upload:
    return access.get_upload_or_404(user_of(request), upload_id)


upload_urls = [path("", upload_begin, name="upload_begin"), path("<uuid:upload_id>", upload_go_on, name="upload")]
