"""What goes wrong between a program and the platform, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class ClientError(Exception):
    """Anything that a call may raise; its text is a sentence for people."""


class NoAnswer(ClientError):
    """The platform did not answer, or what answered is not the platform."""


class Refusal(ClientError):
    """The platform answered that it will not. Attributes:

    status: of HTTP, such as 404.
    errors: dotted name of each wrong field -> what to do about it.
    findings: what pre-flight has found, each with level, field, message and runs. With status 409 all are warnings, and
        `anyway=True` submits all the same.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Mapping[str, str] | None = None,
        findings: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.status, self.detail = status, detail
        self.errors, self.findings = dict(errors or {}), list(findings)
        lines = [f"{field}: {words}" for field, words in self.errors.items()]
        told = {*self.errors.values()}
        lines += [f"{found['level']}: {found['message']}" for found in self.findings if found["message"] not in told]
        first = [] if detail in self.errors.values() else [detail]  # a field's line says the same
        super().__init__("\n  ".join([*first, *(line for line in lines if line != detail)]))


def said(error: Exception) -> str:
    """Somebody else's error in a line; where it says nothing, its kind in words."""
    words = " ".join((getattr(error, "strerror", None) or str(error)).split())
    return words or type(error).__name__
