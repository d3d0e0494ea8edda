"""Refusals of the API: problem+json (RFC 9457), with a sentence for people in `detail`."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.http import JsonResponse

MEDIA_TYPE = "application/problem+json"


def members(status: int, detail: str, **more: Any) -> dict[str, Any]:
    """What a refusal holds. Its `type` is left out, which means that the status says enough."""
    return {"title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> JsonResponse:
    """The answer of a refusal; `more` are members of our own, such as `errors`."""
    return JsonResponse(
        members(status, detail, **more), status=status, headers=dict(headers or {}), content_type=MEDIA_TYPE
    )
