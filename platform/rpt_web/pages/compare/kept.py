"""Baskets that the team keeps: a name for what the address holds, other runs under a name, the end of one."""

from __future__ import annotations

from typing import cast
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.compare import baskets
from rpt_web.compare.entries import read_entries, written
from rpt_web.pages.rights import team_to_change
from rpt_web.teams.models import User


@require_POST
def keep(request: HttpRequest) -> HttpResponse:
    """Keep the runs of the address under a name."""
    team, entries = team_to_change(request), request.POST.get("runs", "")
    try:
        made = baskets.create(team, request.POST.get("name", ""), entries, cast(User, request.user))
    except UserError as error:
        messages.error(request, str(error))
        return redirect(f"{_back(entries)}{_view(request, '&')}")
    messages.success(request, f"“{made.name}” is kept for the team {team.name}.")
    return redirect(f"{reverse('compare:saved', args=[made.pk])}{_view(request, '?')}")


@require_POST
def change(request: HttpRequest, basket_id: int) -> HttpResponse:
    """Give a basket another name, or the runs of the address."""
    kept = access.get_basket_or_404(request.user, basket_id, to_change=True)
    entries = request.POST.get("runs", "") or kept.entries
    try:
        baskets.change(kept, request.POST.get("name", "") or kept.name, entries)
    except UserError as error:
        messages.error(request, str(error))
        return redirect(f"{_back(entries)}&basket={kept.pk}{_view(request, '&')}")
    messages.success(request, f"“{kept.name}” was changed.")
    return redirect(f"{reverse('compare:saved', args=[kept.pk])}{_view(request, '?')}")


@require_POST
def delete(request: HttpRequest, basket_id: int) -> HttpResponse:
    """Forget a basket. Its runs stay."""
    kept = access.get_basket_or_404(request.user, basket_id, to_change=True)
    kept.delete()
    messages.success(request, f"The basket “{kept.name}” was deleted. Its runs stay.")
    return redirect("compare:basket")


def _view(request: HttpRequest, mark: str) -> str:
    """What the address says of the tab that the form stands on, after this mark; empty where it is not known."""
    view = request.POST.get("view", "")
    return f"{mark}{urlencode({'view': view})}" if view else ""


def _back(entries: str) -> str:
    return f"{reverse('compare:basket')}?runs={written(read_entries(entries)[0])}"
