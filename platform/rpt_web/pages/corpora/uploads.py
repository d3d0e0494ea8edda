"""Where browsers send files to: the tus protocol, behind the login and Django's guard against forged requests."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from rpt_web import access
from rpt_web.corpora import tus
from rpt_web.corpora.models import CorpusVersion, Upload


@require_http_methods(["OPTIONS", "POST"])
def begin(request: HttpRequest) -> HttpResponse:
    """Begin an upload."""
    return tus.begin(request, _version)


@require_http_methods(["HEAD", "PATCH", "DELETE"])
def go_on(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """Ask how far an upload is, add to it, or give it up."""
    return tus.go_on(request, upload_id, _upload)


def _version(request: HttpRequest, version_id: int) -> CorpusVersion:
    return access.get_version_by_id_or_404(request.user, version_id, to_change=True)


def _upload(request: HttpRequest, upload_id: UUID) -> Upload:
    return access.get_upload_or_404(request.user, upload_id)
