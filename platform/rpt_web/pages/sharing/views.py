"""Sharing something with another team, and taking that back. Both lead back to the thing's page, which shows it."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.teams import sharing
from rpt_web.teams.models import Share, User

PLACES = {
    "experiment": "experiments:experiment_detail",
    "corpus": "corpora:corpus_detail",
    "model": "models:model_detail",
    "wording": "wordings:wording_detail",
    "plan": "plans:plan_detail",
}
"""The page of each kind of thing."""


@require_POST
def share(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """Let another team see it."""
    thing = access.get_to_share_or_404(request.user, kind, pk)
    try:
        made = sharing.share(kind, thing, request.POST.get("team", ""), cast(User, request.user))
    except UserError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"The people of {made.shared_with} see it now.")
    return redirect(PLACES[kind], pk)


@require_POST
def withdraw(request: HttpRequest, share_id: int) -> HttpResponse:
    """Let another team see it no more."""
    found = access.get_share_or_404(request.user, share_id)
    place = _place(found)
    found.delete()
    messages.success(
        request, f"The people of {found.shared_with} do not see it any more, and their runs cannot read it."
    )
    return redirect(place)


def _place(share: Share) -> str:
    kind = next(kind for kind in sharing.KINDS if getattr(share, f"{kind}_id") is not None)
    return reverse(PLACES[kind], args=[getattr(share, f"{kind}_id")])
