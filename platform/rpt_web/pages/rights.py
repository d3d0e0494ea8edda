"""What every template knows of its user: whether it may offer what changes something."""

from __future__ import annotations

from django.http import HttpRequest

from rpt_web import access


def of_user(request: HttpRequest) -> dict[str, bool]:
    """`may_change`: the user may submit, cancel and retry."""
    return {"may_change": access.can_change(request.user)}
