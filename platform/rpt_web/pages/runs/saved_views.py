"""Views of the table are saved, changed and deleted here; each ends on the table."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from rpt_core.errors import UserError
from rpt_web import access
from rpt_web.pages.rights import team_to_change
from rpt_web.run_table import saved
from rpt_web.run_table.models import SavedView
from rpt_web.run_table.rows import AskedTable
from rpt_web.teams.models import User


@require_POST
def view_new(request: HttpRequest) -> HttpResponse:
    """Save what the table shows under a name."""
    team, user = team_to_change(request), cast(User, request.user)
    try:
        is_shared = request.POST.get("shared") == "1"
        view = saved.create(team, user, request.POST.get("name", ""), _posted(request), is_shared=is_shared)
    except UserError as error:
        messages.error(request, str(error))
        return redirect(f"{reverse('runs:run_table')}?{_query(request)}")
    messages.success(request, f"The view “{view.name}” was saved{f' for {team.name}' if is_shared else ''}.")
    return redirect(f"{reverse('runs:run_table')}?view={view.pk}")


@require_POST
def view_change(request: HttpRequest, view_id: int) -> HttpResponse:
    """Do with a view what the button says."""
    what = request.POST.get("do", "")
    decides = what in ("default", "no-default")
    view = access.get_view_or_404(request.user, view_id, to_change=not decides, to_make_default=decides)
    if what == "delete":
        view.delete()
        messages.success(request, f"The view “{view.name}” was deleted.")
        return redirect(f"{reverse('runs:run_table')}?view=")
    try:
        messages.success(request, _changed(request, view, what))
    except UserError as error:
        messages.error(request, str(error))
    return redirect(f"{reverse('runs:run_table')}?view={view.pk}")


def _changed(request: HttpRequest, view: SavedView, what: str) -> str:
    """Do it; returns what to say. Raises UserError."""
    if what == "update":
        saved.change(view, asked=_posted(request))
        return f"The view “{view.name}” shows this from now on."
    if what == "rename":
        saved.change(view, name=request.POST.get("name", ""))
        return f"The view is called “{view.name}” now."
    if what in ("share", "keep"):
        saved.change(view, is_shared=what == "share")
        return f"The view “{view.name}” is seen by {view.team.name if view.is_shared else 'you alone'} now."
    if what in ("default", "no-default"):
        saved.make_default(view, what == "default")
        whose = f"tables of {view.team.name} begin" if view.is_shared else "your table begins"
        return (
            f"From now on {whose} with “{view.name}”." if view.is_default else f"No more: {whose} with “{view.name}”."
        )
    raise UserError("A view can be updated, renamed, shared, kept, made the default, and deleted.")


def _posted(request: HttpRequest) -> AskedTable:
    return saved.asked_by(QueryDict(_query(request)))


def _query(request: HttpRequest) -> str:
    """What the table showed; only of what can stand in an address."""
    query = request.POST.get("query", "")[:50_000]
    return query if query.isascii() and query.isprintable() else ""
