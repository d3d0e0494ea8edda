"""The protocol of resumable uploads, tus 1.0.0 (tus.io), in HTTP: what each request is answered.

In: a request, and how its version or upload is found, which is where rights are looked at. Out: the answer. A PATCH is
granted here; its body is written by `serving.uploads`. Extensions: creation, expiration, checksum, termination.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from rpt_core.errors import UserError
from rpt_web.corpora import uploads
from rpt_web.corpora.models import CorpusVersion, Upload
from rpt_web.serving.uploads import GRANTED, give
from rpt_web.teams.models import User

VERSION = "1.0.0"
EXTENSIONS = "creation,expiration,checksum,termination"
ALGORITHMS = ("sha1", "sha256")
BODY = "application/offset+octet-stream"
FindVersion = Callable[[HttpRequest, int], CorpusVersion]
FindUpload = Callable[[HttpRequest, UUID], Upload]


class Rejected(Exception):
    """What cannot be done, as a status and a sentence."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.code = status


def begin(request: HttpRequest, find: FindVersion) -> HttpResponse:
    """POST makes an upload; OPTIONS says what is understood."""
    if request.method == "OPTIONS":
        return _answer(
            HTTPStatus.NO_CONTENT,
            **{
                "Tus-Version": VERSION,
                "Tus-Extension": EXTENSIONS,
                "Tus-Max-Size": str(settings.RPT_UPLOAD_BYTES),
                "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
            },
        )
    with _refusals() as rejected:
        _check_version(request)
        told = metadata(request.headers.get("Upload-Metadata", ""))
        number = told.get("version", "")
        if not number.isdecimal() or len(number) > 18 or "filename" not in told:
            raise Rejected(
                400, "Upload-Metadata has to name `version`, the number of a corpus version, and `filename`."
            )
        version = find(request, int(number))
        assert isinstance(request.user, User)
        upload = uploads.begin(version, told["filename"], _number(request, "Upload-Length"), request.user)
        location = request.build_absolute_uri(f"{request.path}{upload.pk}")
        return _answer(HTTPStatus.CREATED, **{"Location": location, **_state(upload)})
    return _refusal(rejected)


def go_on(request: HttpRequest, upload_id: UUID, find: FindUpload) -> HttpResponse:
    """HEAD tells the offset, PATCH adds, DELETE gives up."""
    with _refusals() as rejected:
        _check_version(request)
        upload = find(request, upload_id)
        if request.method == "HEAD":
            length = {"Upload-Length": str(upload.length), "Cache-Control": "no-store"}
            return _answer(HTTPStatus.OK, **_state(upload), **length)
        if request.method == "DELETE":
            uploads.remove(upload)
            return _answer(HTTPStatus.NO_CONTENT)
        return _granted(request, upload)
    return _refusal(rejected)


def metadata(text: str) -> dict[str, str]:
    """The pairs of the header Upload-Metadata. Raises Rejected for one that cannot be read."""
    found = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = pair.partition(" ")
        try:
            found[name] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise Rejected(400, "Upload-Metadata cannot be read. Write each value in Base64.") from None
    return found


def _granted(request: HttpRequest, upload: Upload) -> HttpResponse:
    if request.content_type != BODY:
        raise Rejected(415, f"Send the body as {BODY}.")
    grant = uploads.open_to_append(upload, _number(request, "Upload-Offset"), _checksum(request))
    if not give(request, grant):
        grant.file.close()
        raise Rejected(501, "Uploads need the server that `manage.py up` starts.")
    return _answer(GRANTED, **_state(upload))


def _checksum(request: HttpRequest) -> tuple[str, bytes] | None:
    if not (text := request.headers.get("Upload-Checksum", "")):
        return None
    name, _, value = text.partition(" ")
    if name not in ALGORITHMS:
        raise Rejected(400, f"The checksum {name[:20]!r} is not known. Give one of {', '.join(ALGORITHMS)}.")
    try:
        return name, base64.b64decode(value, validate=True)
    except binascii.Error:
        raise Rejected(400, "Upload-Checksum cannot be read. Write the digest in Base64.") from None


def _check_version(request: HttpRequest) -> None:
    if request.headers.get("Tus-Resumable") != VERSION:
        raise Rejected(412, f"Send the header Tus-Resumable: {VERSION}.")


def _number(request: HttpRequest, header: str) -> int:
    value = request.headers.get(header, "")
    if not value.isdecimal() or len(value) > 18:
        raise Rejected(400, f"Send the header {header} with a whole number.")
    return int(value)


def _state(upload: Upload) -> dict[str, str]:
    return {"Upload-Offset": str(upload.offset), "Upload-Expires": uploads.expiry()}


@contextmanager
def _refusals() -> Iterator[list[Rejected]]:
    """What is rejected in the block stands in the list afterwards."""
    found: list[Rejected] = []
    try:
        yield found
    except Rejected as rejected:
        found.append(rejected)
    except UserError as error:
        kinds = {uploads.TooLarge: 413, uploads.Taken: 409, uploads.Locked: 423, uploads.WrongOffset: 409}
        found.append(Rejected(kinds.get(type(error), 400), str(error)))


def _refusal(rejected: list[Rejected]) -> HttpResponse:
    (only,) = rejected
    response = _answer(only.code, words=str(only))
    if only.code == HTTPStatus.PRECONDITION_FAILED:
        response["Tus-Version"] = VERSION
    return response


def _answer(status: int, words: str = "", **headers: str) -> HttpResponse:
    kind = "text/plain; charset=utf-8"
    return HttpResponse(words, status=status, content_type=kind, headers={"Tus-Resumable": VERSION, **headers})
