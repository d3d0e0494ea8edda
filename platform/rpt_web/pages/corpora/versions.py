"""A version of a corpus: its files come in, its first records are looked at, its fields mapped, all of it checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from rpt_core.errors import UserError
from rpt_core.text.files import KINDS
from rpt_web import access
from rpt_web.corpora import deletion, services, uploads
from rpt_web.corpora.models import CorpusVersion
from rpt_web.pages.corpora.forms import ROLES, MappingForm, PathForm
from rpt_web.pages.jobs.views import is_unheard
from rpt_web.teams.models import User

RUNS_SHOWN = 20
FILES_SHOWN = 200


@dataclass(frozen=True)
class SampledValue:
    """A field of a record of the preview."""

    name: str
    value: Any
    roles: list[str]
    """What the mapping takes it for."""


@dataclass(frozen=True)
class SampledRecord:
    """A record of the preview, as the mapping would have it."""

    file: str
    line: int
    values: list[SampledValue]
    lacks: list[str]
    """Roles whose field it does not have."""


@require_http_methods(["GET", "HEAD", "POST"])
def version_new(request: HttpRequest, corpus_id: int) -> HttpResponse:
    """The next version of a corpus."""
    corpus = access.get_corpus_or_404(request.user, corpus_id, to_change=True)
    user, form = cast(User, request.user), PathForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            version = services.new_version(corpus, user, form.cleaned_data["path"])
            if version.path or version.address:
                services.look(version, user)
            return redirect("corpora:version_detail", corpus.pk, version.number)
        except UserError as error:
            form.add_error("path", str(error))
    context = {"nav": "data", "corpus": corpus, "form": form}
    return render(request, "corpora/version_new.html", context, status=422 if form.errors else 200)


@require_safe
def version_detail(request: HttpRequest, corpus_id: int, number: int) -> HttpResponse:
    """One version, in whatever state it is; a mapping that is being chosen stands in the address."""
    version = access.get_version_or_404(request.user, corpus_id, number)
    if version.is_checked:
        return render(request, "corpora/version_checked.html", _checked(request, version))
    context = _common(request, version) | _files(request, version) | _preview(request, version)
    if request.headers.get("HX-Target") == "preview":
        return render(request, "corpora/_preview.html", context)
    return render(request, "corpora/version_open.html", context)


@require_safe
def version_files(request: HttpRequest, corpus_id: int, number: int) -> HttpResponse:
    """The list of files alone, for when one has come."""
    version = access.get_version_or_404(request.user, corpus_id, number)
    return render(request, "corpora/_files.html", _common(request, version) | _files(request, version))


@require_POST
def file_remove(request: HttpRequest, corpus_id: int, number: int, upload_id: UUID) -> HttpResponse:
    """Remove a file from a version that is not checked."""
    version = access.get_version_or_404(request.user, corpus_id, number, to_change=True)
    upload = version.uploads.select_related("version").filter(pk=upload_id).first()
    if upload is None:
        raise Http404("The version has no such file: it may have been removed already.")
    try:
        uploads.remove(upload)
    except UserError as error:
        messages.error(request, str(error))
    return _back(version)


@require_POST
def version_look(request: HttpRequest, corpus_id: int, number: int) -> HttpResponse:
    """Have the first records read."""
    version = access.get_version_or_404(request.user, corpus_id, number, to_change=True)
    return _started(request, version, lambda user: services.look(version, user))


@require_POST
def version_check(request: HttpRequest, corpus_id: int, number: int) -> HttpResponse:
    """Have all of it read with the mapping that was chosen."""
    version = access.get_version_or_404(request.user, corpus_id, number, to_change=True)
    chosen = {role: request.POST.get(role, "")[:300] or None for role in ROLES}
    return _started(request, version, lambda user: services.check(version, chosen, user), chosen)


@require_POST
def version_delete(request: HttpRequest, corpus_id: int, number: int) -> HttpResponse:
    """Have one version deleted; the page of the job shows how that goes."""
    version = access.get_version_or_404(request.user, corpus_id, number, to_change=True)
    try:
        return redirect("jobs:job_detail", deletion.ask(version.corpus, cast(User, request.user), version).pk)
    except UserError as error:
        messages.error(request, str(error))
    return _back(version)


def _started(
    request: HttpRequest, version: CorpusVersion, start: Any, chosen: Mapping[str, Any] | None = None
) -> HttpResponse:
    try:
        start(cast(User, request.user))
    except UserError as error:
        messages.error(request, str(error))
    return _back(version, chosen)


def _back(version: CorpusVersion, chosen: Mapping[str, Any] | None = None) -> HttpResponse:
    query = {role: name for role, name in (chosen or {}).items() if name}
    address = reverse("corpora:version_detail", args=[version.corpus_id, version.number], query=query or None)
    return redirect(address)


def _common(request: HttpRequest, version: CorpusVersion) -> dict[str, Any]:
    job = version.job
    return {
        "nav": "data",
        "corpus": version.corpus,
        "version": version,
        "may_edit": access.can_edit_corpus(request.user, version.corpus),
        "job": job,
        "sees_job": job is not None and access.jobs_for(request.user).filter(pk=job.pk).exists(),
        "unheard": job is not None and is_unheard(job),
    }


def _files(request: HttpRequest, version: CorpusVersion) -> dict[str, Any]:
    found = list(version.uploads.order_by("name")[: FILES_SHOWN + 1])
    return {
        "uploads": found[:FILES_SHOWN],
        "more_files": len(found) > FILES_SHOWN,
        "may_remove": access.can_edit_corpus(request.user, version.corpus)
        and not version.is_busy
        and not version.address,
        "incomplete": [upload for upload in found if upload.completed_at is None],
        "endings": ",".join([*KINDS, ".gz", ".zst", ".bz2"]),
        "most_bytes": settings.RPT_UPLOAD_BYTES,
        "expires_days": settings.RPT_UPLOAD_DAYS,
    }


def _preview(request: HttpRequest, version: CorpusVersion) -> dict[str, Any]:
    preview = version.preview
    if not preview:
        return {}
    names = [field["name"] for field in preview["fields"]]
    asked = {role: request.GET[role][:300] for role in ROLES if role in request.GET}
    chosen = {role: name for role, name in (asked or preview["mapping"]).items() if name}
    form = MappingForm(names, initial=chosen)
    return {
        "preview": preview,
        "form": form,
        "samples": list(_samples(preview, chosen)),
        "lacks_text": not (chosen.get("text") or (chosen.get("problem") and chosen.get("solution"))),
    }


def _samples(preview: Mapping[str, Any], chosen: Mapping[str, str]) -> Iterator[SampledRecord]:
    places = {field["name"]: place for place, field in enumerate(preview["fields"])}  # the database keeps no order
    for file in preview["files"]:
        for sample in file["records"]:
            values = dict(_flat(sample["record"]))
            shown = [
                SampledValue(name, value, [ROLES[role][0] for role, field in chosen.items() if field == name])
                for name, value in sorted(values.items(), key=lambda item: places.get(item[0], len(places)))
            ]
            lacks = [ROLES[role][0] for role, field in chosen.items() if field not in values]
            yield SampledRecord(file["name"], sample["line"], shown, lacks if file["kind"] != "text" else [])


def _flat(record: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _checked(request: HttpRequest, version: CorpusVersion) -> dict[str, Any]:
    runs = list(services.runs_that_read(version, access.runs_for(request.user))[: RUNS_SHOWN + 1])
    mapping = [(ROLES[role][0], name) for role, name in version.mapping.items() if name]
    return _common(request, version) | {
        "mapping": mapping,
        "runs": runs[:RUNS_SHOWN],
        "more_runs": len(runs) > RUNS_SHOWN,
        "same": services.same_content(version),
        "unnamed_bad": (version.bad_count or 0) - len(version.bad_records),
        "files": version.files[:FILES_SHOWN],
        "more_files": max(0, len(version.files) - FILES_SHOWN),
    }
